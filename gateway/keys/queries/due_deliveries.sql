-- Devices whose retained message is not what they are to be given: keys of the meters at their ports that they may have,
-- sealed to the key of their newest certificate. Who never was given any is left alone.
WITH given AS (
    SELECT m.device_id, string_agg(m.key || ' ' || k.revision, ',' ORDER BY m.key) AS content, array_agg(m.id ORDER BY m.id) AS meter_ids
    FROM meter_key k
    JOIN meter m ON m.id = k.meter_id
    WHERE m.removed_at IS NULL AND meter_key_may(m.id, m.device_id, k.device_id)
    GROUP BY m.device_id
),
concerned AS (
    SELECT d.id, d.name, coalesce(g.content, '') AS content, coalesce(g.meter_ids, '{}') AS meter_ids, v.content AS before,
           v.recipient AS sealed_to, coalesce(v.version, 0) AS version, v.device_id IS NULL AS is_first
    FROM device d
    LEFT JOIN given g ON g.device_id = d.id
    LEFT JOIN key_delivery v ON v.device_id = d.id
    WHERE g.device_id IS NOT NULL OR v.device_id IS NOT NULL
)
SELECT c.id AS device_id, c.name AS device, c.content, c.meter_ids, c.version, n.spki_sha256 AS recipient, n.public_key,
       CASE WHEN n.public_key IS NULL THEN (SELECT e.csr FROM enrolment e WHERE e.spki_sha256 = n.spki_sha256 LIMIT 1) END AS csr
FROM concerned c
LEFT JOIN LATERAL (
    SELECT x.spki_sha256, x.public_key
    FROM credential a
    JOIN certificate x ON x.identity = a.identity
    WHERE a.device = c.name AND a.kind = 'certificate' AND a.revoked_at IS NULL AND x.not_after > now()
    ORDER BY x.issued_at DESC
    LIMIT 1
) n ON true
WHERE c.is_first OR c.content <> c.before OR n.spki_sha256 IS DISTINCT FROM c.sealed_to
ORDER BY c.id
LIMIT 1000
