-- Of today and of the day before as far as something was cut, the newest first.
SELECT day, quota, used, allowed, cut, cut_bytes, cut_at FROM device_quota
WHERE device = $1 AND (day = (now() AT TIME ZONE 'UTC')::date OR (cut > 0 AND day = (now() AT TIME ZONE 'UTC')::date - 1))
ORDER BY day DESC, quota
