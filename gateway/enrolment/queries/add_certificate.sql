INSERT INTO certificate (serial, identity, spki_sha256, not_before, not_after, public_key) VALUES ($1, $2, $3, $4, $5, $6)
