UPDATE credential SET revoked_at = now(), revoked_by = $3, reason = $4
WHERE device = $1 AND identity <> $2 AND revoked_at IS NULL
RETURNING identity
