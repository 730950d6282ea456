SELECT * FROM (
    SELECT d.name AS device, m.step + 1 AS step, m.version, m.software, m.why, m.given_at, m.applied_at,
           CASE WHEN s.state IN ('aborted', 'rolled_back') AND m.state IN ('pending', 'applied', 'healthy')
                THEN 'taken_back' ELSE m.state END AS state
    FROM parameter_stage_device m JOIN device d ON d.id = m.device_id JOIN parameter_stage s ON s.id = m.stage_id
    WHERE m.stage_id = $1 AND d.name > $2
) AS found
WHERE $3::text IS NULL OR state = $3
ORDER BY device
LIMIT $4
