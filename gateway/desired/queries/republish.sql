-- Has these configurations published again; `announced` says which of them did not wait for that already.
WITH published AS (
    SELECT t.device_id, d.name, t.announced IS NOT DISTINCT FROM t.version AS announced
    FROM desired t JOIN device d ON d.id = t.device_id
    WHERE d.name = ANY($1::text[]) AND (t.announced IS NOT DISTINCT FROM t.version OR t.claimed_until IS NOT NULL)
    FOR NO KEY UPDATE OF t
)
UPDATE desired t SET announced = NULL, claimed_by = NULL, claimed_until = NULL
FROM published p WHERE t.device_id = p.device_id
RETURNING p.name, p.announced
