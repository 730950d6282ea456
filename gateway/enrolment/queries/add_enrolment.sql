INSERT INTO enrolment (device, hardware, facts, spki_sha256, csr, claim, address, state, reason)
VALUES ($1, $2, $3, $4, $5, $6, $7, 'waiting', $8)
RETURNING id
