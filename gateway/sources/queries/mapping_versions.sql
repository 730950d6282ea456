SELECT version, document, sha256, author, reason, at
FROM source_mapping
WHERE source = $1 AND ($2::integer IS NULL OR version = $2)
ORDER BY version DESC
LIMIT $3
