SELECT identity, device, kind, granted_at, granted_by, revoked_at, revoked_by, reason
FROM credential WHERE device = $1 ORDER BY granted_at, identity
