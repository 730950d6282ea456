-- What waits is taken out of the queue; who has it in hand finds within a second that it has lost it.
WITH ended AS (
    UPDATE job SET state = 'cancelled', worker = NULL, finished_at = clock_timestamp(), changed_at = clock_timestamp(),
                   error = $2
    WHERE id = $1 AND state IN ('queued', 'running')
    RETURNING id, kind
), unqueued AS (
    DELETE FROM pgqueuer USING ended WHERE dedupe_key = 'job ' || ended.id AND status = 'queued'
)
SELECT kind FROM ended
