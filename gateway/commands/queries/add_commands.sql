INSERT INTO command (id, batch, device_id, command, arguments, author, reason, gateway, expires_at)
SELECT n.id, $3, d.id, $4, $5, $6, $7, $8, now() + $9::float8 * interval '1 second'
FROM unnest($1::uuid[], $2::text[]) n(id, device)
JOIN device d ON d.name = n.device
