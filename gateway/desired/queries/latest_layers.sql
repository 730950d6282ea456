SELECT DISTINCT ON (scope) scope, version, document AS layer, author, reason, created_at
FROM parameter_document
WHERE scope = ANY($1::text[])
ORDER BY scope, version DESC
