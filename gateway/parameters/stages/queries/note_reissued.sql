UPDATE parameter_stage_device m SET software = g.version
FROM unnest($2::int[], $3::bigint[]) AS g (device_id, version)
WHERE m.stage_id = $1 AND m.device_id = g.device_id
