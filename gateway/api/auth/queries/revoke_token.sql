UPDATE api_token SET revoked_at = now() WHERE name = $1 AND revoked_at IS NULL
RETURNING name, role, author, created_at, expires_at, last_used_at, revoked_at
