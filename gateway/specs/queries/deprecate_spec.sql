INSERT INTO spec_deprecation (name, version, author, reason) VALUES ($1, $2, $3, $4)
ON CONFLICT (name, version) DO NOTHING
RETURNING name
