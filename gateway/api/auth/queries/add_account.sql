-- Not under the name of a token that lives: what the audit says by name must be one actor's.
INSERT INTO account (name, role, password, author)
SELECT $1, $2, $3, $4 WHERE NOT EXISTS (SELECT FROM api_token WHERE name = $1 AND revoked_at IS NULL)
ON CONFLICT (name) DO NOTHING
RETURNING name, role, author, issuer, created_at, changed_at, last_login_at
