INSERT INTO profile_check (meter_id, day, noted_at)
SELECT * FROM unnest($1::integer[], $2::date[], $3::timestamptz[])
ON CONFLICT (meter_id, day) DO UPDATE SET noted_at = excluded.noted_at
-- what comes within a minute is the same read
WHERE profile_check.noted_at < excluded.noted_at - interval '1 minute'
