INSERT INTO credential (identity, device, kind, granted_by)
SELECT identity, device, 'password', 'broker' FROM unnest($1::text[], $2::text[]) AS found (identity, device)
ON CONFLICT DO NOTHING
RETURNING identity
