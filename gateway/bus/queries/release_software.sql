-- As release_claims does of configurations.
WITH claimed AS (
    SELECT t.device_id, g.version
    FROM unnest($2::int[], $3::bigint[]) AS g (device_id, version)
    JOIN software_desired t ON t.device_id = g.device_id
    WHERE t.claimed_by = $1
    FOR NO KEY UPDATE OF t SKIP LOCKED
)
UPDATE software_desired t SET announced = coalesce(c.version, t.announced), claimed_by = NULL, claimed_until = NULL
FROM claimed c WHERE t.device_id = c.device_id
