SELECT id, received_at, device, meter, topic, reason, detail, bytes, resolved_at
FROM quarantine
WHERE kind = 'payload' AND (received_at, id) < ($1, $2) AND received_at <= $1
      AND ($3::text IS NULL OR reason = $3) AND ($4::text IS NULL OR device = $4)
      AND ($5::timestamptz IS NULL OR received_at >= $5) AND ($6::timestamptz IS NULL OR received_at < $6)
      AND ($7 OR resolved_at IS NULL)
ORDER BY received_at DESC, id DESC
LIMIT $8
