INSERT INTO source (name, kind, device_id, settings, created_by)
VALUES ($1, $2, $3, $4::jsonb, $5)
ON CONFLICT (name) DO NOTHING
RETURNING name
