-- What waits to be published, the oldest first, for gateway $1 to publish within $2 seconds, at most $3 rows. What another
-- gateway has claimed is left to it until its time is over, and what is being written is left to its commit, which notifies.
WITH waiting AS (
    SELECT t.device_id, t.claimed_by
    FROM desired t
    WHERE t.announced IS DISTINCT FROM t.version
          AND (t.claimed_until IS NULL OR t.claimed_until <= now() OR t.claimed_by = $1)
    ORDER BY t.published_at
    LIMIT $3
    FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE desired t SET claimed_by = $1, claimed_until = now() + make_interval(secs => $2)
FROM waiting w JOIN device d ON d.id = w.device_id
WHERE t.device_id = w.device_id
RETURNING t.device_id, d.name AS device, t.document AS desired, coalesce(w.claimed_by <> $1, false) AS taken_over
