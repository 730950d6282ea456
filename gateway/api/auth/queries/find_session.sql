SELECT s.token_id, s.account_id, coalesce(t.name, a.name) AS name, coalesce(t.role, a.role) AS role,
       t.id IS NOT NULL AND coalesce(t.last_used_at < now() - INTERVAL '1 minute', true) AS stale
FROM console_session s
LEFT JOIN api_token t ON t.id = s.token_id
LEFT JOIN account a ON a.id = s.account_id
WHERE s.sha256 = $1 AND s.expires_at > now() AND s.proof IS NULL
  AND (a.id IS NOT NULL OR (t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > now())))
