SELECT DISTINCT d.name FROM spec_rollout_meter x
JOIN meter m ON m.id = x.meter_id
JOIN device d ON d.id = m.device_id
WHERE x.name = $1 AND x.version = $2 AND x.left_at IS NULL
ORDER BY d.name
LIMIT $3
