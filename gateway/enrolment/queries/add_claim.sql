INSERT INTO claim (name, sha256, site, uses, until, approval, author) VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (name) DO NOTHING
RETURNING name, site, uses, used, until, approval, author, created_at, revoked_at, revoked_by, 0 AS waiting
