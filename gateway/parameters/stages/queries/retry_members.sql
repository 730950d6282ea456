UPDATE parameter_stage_device SET state = 'pending', why = NULL, applied_at = NULL, given_at = now()
WHERE stage_id = $1 AND state IN ('failed', 'unreachable')
