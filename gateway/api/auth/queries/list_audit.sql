SELECT at, id, actor, role, address, action, method, path, query, body, status, result
FROM audit
WHERE (at, id) < ($1, $2) AND ($3::text IS NULL OR actor = $3) AND ($4::boolean IS NULL OR (status >= 400) = $4)
ORDER BY at DESC, id DESC
LIMIT $5
