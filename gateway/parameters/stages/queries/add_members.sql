INSERT INTO parameter_stage_device (stage_id, device_id, reads, step)
SELECT $1, g.device_id, g.reads, $4 FROM unnest($2::int[], $3::boolean[]) AS g (device_id, reads)
