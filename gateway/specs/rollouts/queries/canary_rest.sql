-- Meters that still have what the canary's meters had before: the newest known ones, as many as say enough.
SELECT x.meter_id, m.key, x.device_id, coalesce(d.online, true) AS reachable
FROM meter_spec x
JOIN meter m ON m.id = x.meter_id
JOIN device d ON d.id = x.device_id
WHERE x.spec = ANY($1::text[]) AND x.parent_id IS NULL
ORDER BY x.meter_id DESC
LIMIT 2000
