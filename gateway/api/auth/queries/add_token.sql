INSERT INTO api_token (name, role, sha256, author, expires_at)
SELECT $1, $2, $3, $4, $5 WHERE NOT EXISTS (SELECT FROM account WHERE name = $1)
ON CONFLICT (name) WHERE revoked_at IS NULL DO NOTHING
RETURNING name, role, author, created_at, expires_at, last_used_at, revoked_at
