INSERT INTO profile_day (meter_id, day)
SELECT * FROM unnest($1::integer[], $2::date[])
ON CONFLICT DO NOTHING
