SELECT e.id, e.device, e.hardware, e.facts, encode(e.spki_sha256, 'hex') AS spki_sha256, e.claim, c.site, e.address,
       e.state, e.reason, e.identity, e.asked_at, e.last_asked_at, e.decided_at, e.decided_by
FROM enrolment e LEFT JOIN claim c ON c.name = e.claim
WHERE e.id < $1 AND ($2::text IS NULL OR e.state = $2) AND ($3::text IS NULL OR e.device = $3)
ORDER BY e.id DESC
LIMIT $4
