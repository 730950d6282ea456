-- Payloads before id $3, the newest first.
SELECT id, source, key, received_at, content_type, topic, octet_length(body) AS bytes, state, version, readings, events, reason, mapped_at
FROM payload
WHERE ($1::text IS NULL OR source = $1) AND ($2::text IS NULL OR state = $2) AND id < $3
ORDER BY id DESC
LIMIT $4
