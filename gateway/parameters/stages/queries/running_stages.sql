SELECT id FROM parameter_stage WHERE state = 'running' ORDER BY id
