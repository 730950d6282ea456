-- Payloads of a source before id $3, the newest first. BETWEEN, and the source in the order: by id alone the planner hopes to
-- come upon them soon, and reads all that others have sent since where this source has sent none.
SELECT id, source, key, received_at, content_type, topic, octet_length(body) AS bytes, state, version, readings, events, reason, mapped_at
FROM payload
WHERE source BETWEEN $1 AND $1 AND ($2::text IS NULL OR state = $2) AND id < $3
ORDER BY source DESC, id DESC
LIMIT $4
