INSERT INTO parameter_document (scope, version, document, author, reason)
SELECT $1, coalesce(max(version), 0) + 1, $2, $3, $4 FROM parameter_document WHERE scope = $1
RETURNING version
