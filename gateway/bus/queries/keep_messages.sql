-- $1 gateway, $2 topics, each once, $3 payloads and $4 what was dealt with of each before, beside them
INSERT INTO gateway_waiting (gateway, topic, payload, dealt_at, marked_at)
SELECT $1, w.topic, w.payload, w.dealt_at, now()
FROM unnest($2::text[], $3::bytea[], $4::timestamptz[]) AS w (topic, payload, dealt_at) ORDER BY w.topic
ON CONFLICT (gateway, topic) DO UPDATE SET payload = excluded.payload, dealt_at = excluded.dealt_at, kept_at = now(), marked_at = now()
