UPDATE job
SET state = 'queued', worker = NULL, failures = failures + 1, error = $3, not_before = $4, changed_at = clock_timestamp()
WHERE id = $1 AND worker = $2 AND state = 'running'
RETURNING true
