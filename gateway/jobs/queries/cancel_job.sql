UPDATE job SET state = 'cancelled', worker = NULL, finished_at = clock_timestamp(), changed_at = clock_timestamp(),
               error = $2
WHERE id = $1 AND state IN ('queued', 'running')
RETURNING kind
