-- The same reply again, or by another gateway, changes nothing.
UPDATE command c SET state = $3, reply = $4::text::jsonb, replied_at = now()
FROM device d
WHERE c.id = $1 AND d.id = c.device_id AND d.name = $2 AND c.state IN ('sent', 'expired')
RETURNING c.command, c.created_at, c.expires_at < now() AS late
