-- The meters that have a canary, since when, and whether their devices are there and have taken it.
SELECT x.meter_id, m.key, m.device_id, x.before, x.given_at,
       coalesce(d.online, true) AND r.state = 'applied' AND r.version >= x.desired AS reachable
FROM spec_rollout_meter x
JOIN meter m ON m.id = x.meter_id
JOIN device d ON d.id = m.device_id
LEFT JOIN reported r ON r.device_id = m.device_id
WHERE x.name = $1 AND x.version = $2 AND x.left_at IS NULL AND m.removed_at IS NULL
