INSERT INTO spec (name, version, document, source, sha256, generic, author)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (name, version) DO NOTHING
