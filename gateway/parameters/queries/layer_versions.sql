SELECT scope, version, document AS layer, author, reason, created_at FROM parameter_document
WHERE scope = $1 AND version < $2
ORDER BY version DESC
LIMIT $3
