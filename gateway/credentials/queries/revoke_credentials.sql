INSERT INTO credential AS c (identity, device, kind, granted_by, revoked_at, revoked_by, reason)
SELECT identity, $1, 'password', 'broker', now(), $2, $3
FROM (SELECT $1 AS identity UNION SELECT identity FROM credential WHERE device = $1) AS every
ON CONFLICT (identity) DO UPDATE
SET revoked_at = excluded.revoked_at, revoked_by = excluded.revoked_by, reason = excluded.reason
WHERE c.revoked_at IS NULL AND c.device = $1
RETURNING identity
