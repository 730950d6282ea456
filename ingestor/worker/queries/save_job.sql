UPDATE job
SET saved = $3, done = $4, total = coalesce($5, total), note = coalesce($6, note), changed_at = clock_timestamp(), deaths = 0
WHERE id = $1 AND worker = $2 AND state = 'running'
RETURNING true
