-- It goes on where it stood; what failed before counts no more.
UPDATE job
SET state = 'queued', worker = NULL, error = NULL, result = NULL, failures = 0, deaths = 0, not_before = NULL,
    finished_at = NULL, changed_at = clock_timestamp()
WHERE id = $1 AND state IN ('failed', 'cancelled')
RETURNING id, kind, priority, NULL::interval AS delay
