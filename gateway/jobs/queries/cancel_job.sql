-- What waits for a later attempt is due at once, so that a worker finds that it is over and the queue forgets it; who has it
-- in hand finds within a second that it has lost it.
WITH ended AS (
    UPDATE job SET state = 'cancelled', worker = NULL, finished_at = clock_timestamp(), changed_at = clock_timestamp(),
                   error = $2
    WHERE id = $1 AND state IN ('queued', 'running')
    RETURNING id, kind
), due AS (
    UPDATE pgqueuer SET execute_after = now() FROM ended WHERE dedupe_key = 'job ' || ended.id AND status = 'queued'
)
SELECT kind FROM ended
