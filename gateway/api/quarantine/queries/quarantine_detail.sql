SELECT q.id, q.received_at, q.device, q.meter, q.topic, q.reason, q.detail, q.bytes, q.resolved_at, f.data
FROM quarantine q
JOIN frame f ON f.id = q.id AND f.received_at = q.received_at
WHERE q.id = $1 AND f.id = $1 AND q.kind = 'payload'
