SELECT c.identity, l.device, c.not_after, l.revoked_at IS NULL AS live, c.spki_sha256,
       (SELECT e.hardware FROM enrolment e WHERE e.identity = c.identity ORDER BY e.id DESC LIMIT 1) AS hardware
FROM certificate c JOIN credential l ON l.identity = c.identity
WHERE c.serial = $1 AND c.identity = $2
