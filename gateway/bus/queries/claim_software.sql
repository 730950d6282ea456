-- As claim_waiting does of configurations; a document that is null clears what the broker holds.
WITH waiting AS (
    SELECT t.device_id, t.claimed_by
    FROM software_desired t
    WHERE t.announced IS DISTINCT FROM t.version
          AND (t.claimed_until IS NULL OR t.claimed_until <= now() OR t.claimed_by = $1)
    ORDER BY t.published_at
    LIMIT $3
    FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE software_desired t SET claimed_by = $1, claimed_until = now() + make_interval(secs => $2)
FROM waiting w JOIN device d ON d.id = w.device_id
WHERE t.device_id = w.device_id
RETURNING t.device_id, d.name AS device, t.version, t.document AS software, coalesce(w.claimed_by <> $1, false) AS taken_over
