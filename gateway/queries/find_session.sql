SELECT t.id, t.name, t.role, coalesce(t.last_used_at < now() - INTERVAL '1 minute', true) AS stale
FROM console_session s
JOIN api_token t ON t.id = s.token_id
WHERE s.sha256 = $1 AND s.expires_at > now() AND t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > now())
