SELECT id, source, key, received_at, content_type, topic, octet_length(body) AS bytes, state, version, readings, events, reason, mapped_at,
       body
FROM payload
WHERE id = $2 AND source = $1
