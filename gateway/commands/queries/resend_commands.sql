-- A device that connects anew has not heard what was sent meanwhile; one that it has heard it does not do again.
UPDATE command c SET resend_at = now()
FROM device d
WHERE d.id = c.device_id AND d.name = $1 AND c.state = 'sent' AND c.published_at IS NOT NULL AND c.expires_at > now()
RETURNING c.id
