SELECT e.id, e.device, e.hardware, e.state, e.reason, e.identity, e.claim,
       coalesce(l.revoked_at IS NULL AND l.identity IS NOT NULL, false) AS live
FROM enrolment e LEFT JOIN credential l ON l.identity = e.identity
WHERE e.device = $1 AND e.hardware = $2 AND e.spki_sha256 = $3
