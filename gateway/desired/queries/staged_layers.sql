-- What devices have in place of a scope's own layer while a staged change of it is open.
SELECT s.id, s.scope, s.document AS layer, array_agg(m.device_id) AS devices
FROM parameter_stage s
JOIN parameter_stage_device m ON m.stage_id = s.id
WHERE s.state IN ('running', 'paused') AND m.device_id = ANY($1::int[])
GROUP BY s.id
