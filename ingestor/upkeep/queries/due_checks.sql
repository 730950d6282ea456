SELECT meter_id, day, noted_at FROM profile_check
WHERE noted_at < now() - interval '10 minutes'
ORDER BY noted_at, meter_id, day
LIMIT $1
