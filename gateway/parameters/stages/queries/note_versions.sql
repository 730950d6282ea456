UPDATE parameter_stage_device m
SET version = CASE WHEN d.name = ANY($3::text[]) THEN t.version END, software = s.version,
    state = CASE WHEN d.name = ANY($3::text[]) OR s.version IS NOT NULL THEN m.state ELSE 'unchanged' END
FROM device d
LEFT JOIN desired t ON t.device_id = d.id
LEFT JOIN unnest($4::int[], $5::bigint[]) AS s (device_id, version) ON s.device_id = d.id
WHERE m.stage_id = $1 AND m.step = $2 AND d.id = m.device_id
