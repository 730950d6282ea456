-- The same reply again, or by another gateway, changes nothing. It may overtake the broker's word that it has the command.
UPDATE command c
SET state = $3, reply = $4, replied_at = now(), published_at = coalesce(c.published_at, now())
FROM device d
WHERE c.id = $1 AND d.id = c.device_id AND d.name = $2 AND c.state IN ('sent', 'expired')
RETURNING c.command, c.expires_at < now() AS late
