-- Those that another gateway took are left to it for some seconds.
SELECT c.id, d.name AS device, c.command, c.arguments,
       extract(epoch FROM c.expires_at - now())::float8 AS left_s, c.resend_at
FROM command c
JOIN device d ON d.id = c.device_id
WHERE c.state = 'sent' AND (c.published_at IS NULL OR c.resend_at IS NOT NULL) AND c.expires_at > now()
      AND (c.gateway = $1 OR c.created_at < now() - $2::float8 * interval '1 second')
ORDER BY c.created_at, c.id
LIMIT $3
