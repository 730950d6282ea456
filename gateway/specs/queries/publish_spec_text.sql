WITH drafted AS (DELETE FROM spec_draft WHERE name = $1 AND version = $2)
INSERT INTO spec (name, version, document, source, sha256, generic, author, reason)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
