UPDATE job SET state = 'queued', worker = NULL, changed_at = clock_timestamp()
WHERE id = $1 AND worker = $2 AND state = 'running'
