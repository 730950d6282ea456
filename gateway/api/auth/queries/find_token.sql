SELECT id AS token_id, NULL::integer AS account_id, name, role,
       coalesce(last_used_at < now() - INTERVAL '1 minute', true) AS stale
FROM api_token
WHERE sha256 = $1 AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
