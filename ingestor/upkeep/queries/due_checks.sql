-- Of each meter its oldest day that is due, of meters in the order of their ids.
SELECT DISTINCT ON (meter_id) meter_id, day, noted_at FROM profile_check
WHERE meter_id > $1 AND noted_at < now() - interval '10 minutes'
ORDER BY meter_id, day
LIMIT $2
