-- A retry of just this that nobody has taken yet.
SELECT id FROM job
WHERE kind = 'retry' AND state = 'queued' AND attempts = 0 AND selection = $1 AND since IS NOT DISTINCT FROM $2
ORDER BY id LIMIT 1
FOR UPDATE SKIP LOCKED
