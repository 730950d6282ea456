-- A job that nobody has taken yet can take more meters.
SELECT id FROM job
WHERE spec = $1 AND state = 'queued' AND attempts = 0 AND automatic AND since IS NULL
ORDER BY id LIMIT 1
FOR UPDATE SKIP LOCKED
