SELECT name, role, author, created_at, expires_at, last_used_at, revoked_at, id
FROM api_token
WHERE id > $1 AND ($2 OR revoked_at IS NULL)
ORDER BY id
LIMIT $3
