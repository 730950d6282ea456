UPDATE command c SET state = 'expired'
FROM device d
WHERE d.id = c.device_id AND c.state = 'sent' AND c.expires_at <= now()
RETURNING d.name AS device, c.command, c.id
