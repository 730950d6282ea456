SELECT id FROM parameter_stage WHERE scope = $1 AND state IN ('running', 'paused')
