SELECT c.id, c.batch, d.name AS device, d.online, c.command, c.arguments, c.author, c.reason,
       c.created_at, c.expires_at, c.published_at, c.state, c.reply, c.replied_at
FROM command c
JOIN device d ON d.id = c.device_id
WHERE ($1::uuid IS NULL OR c.id = $1) AND ($2::uuid IS NULL OR c.batch = $2)
      AND ($3::text IS NULL OR d.name = $3) AND ($4::text IS NULL OR c.command = $4)
      AND ($5::text IS NULL OR c.state = $5)
      AND ($6::timestamptz IS NULL OR (c.created_at, c.id) < ($6, $7::uuid))
ORDER BY c.created_at DESC, c.id DESC
LIMIT $8
