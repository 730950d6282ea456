WITH added AS (
    INSERT INTO source_mapping (source, version, document, sha256, author, reason) VALUES ($1, $2, $3, $4, $5, $6)
)
UPDATE source SET version = $2, changed_at = now() WHERE name = $1
