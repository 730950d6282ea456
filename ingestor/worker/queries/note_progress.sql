UPDATE job SET done = $3, total = coalesce($4, total), note = coalesce($5, note), changed_at = clock_timestamp()
WHERE id = $1 AND worker = $2 AND state = 'running'
RETURNING true
