-- Each gateway hears all of it: who heard most is right, and whoever was first enters it into the audit.
INSERT INTO broker_login AS b (at, name, refused, times)
SELECT * FROM unnest($1::timestamptz[], $2::text[], $3::boolean[], $4::integer[])
ON CONFLICT (at, name, refused) DO UPDATE SET times = greatest(b.times, excluded.times)
RETURNING at, name, refused, (xmax = 0) AS first
