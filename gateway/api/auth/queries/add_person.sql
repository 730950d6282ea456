-- Not under the name of a token that lives, nor of another user: what the audit says by name must be one actor's.
INSERT INTO account (name, role, issuer, subject, author, last_login_at)
SELECT $1, $2, $3, $4, $5, now() WHERE NOT EXISTS (SELECT FROM api_token WHERE name = $1 AND revoked_at IS NULL)
ON CONFLICT DO NOTHING
RETURNING id, name
