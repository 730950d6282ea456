UPDATE parameter_stage_device SET state = $3, why = $4, applied_at = $5 WHERE stage_id = $1 AND device_id = $2
