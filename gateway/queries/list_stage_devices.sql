SELECT d.name AS device, m.step + 1 AS step, m.version, m.state, m.why, m.given_at, m.applied_at
FROM parameter_stage_device m JOIN device d ON d.id = m.device_id
WHERE m.stage_id = $1 AND d.name > $2 AND ($3::text IS NULL OR m.state = $3)
ORDER BY d.name
LIMIT $4
