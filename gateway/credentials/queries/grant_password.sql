INSERT INTO credential AS c (identity, device, kind, granted_by) VALUES ($1, $2, 'password', $3)
ON CONFLICT (identity) DO UPDATE
SET granted_at = now(), granted_by = excluded.granted_by, revoked_at = NULL, revoked_by = NULL, reason = NULL
WHERE c.kind = 'password' AND c.device = $2
