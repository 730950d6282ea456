-- The next payloads in quarantine that a retry takes, behind $1 and $2, up to number $3; $4 since, $6 the selection: $5 at most, and no
-- more than fit into $7 bytes, but one always.
SELECT p.id, p.received_at, p.topic, p.data
FROM (
    SELECT n.*, sum(octet_length(n.data)) OVER (ORDER BY n.received_at, n.id) - octet_length(n.data) AS bytes_before
    FROM (
        SELECT f.id, f.received_at, f.topic, f.data
        FROM frame f
        LEFT JOIN device d ON d.id = f.device_id
        LEFT JOIN meter m ON m.id = f.meter_id
        WHERE f.kind = 'payload' AND f.resolved_at IS NULL AND f.received_at >= $1 AND (f.received_at, f.id) > ($1, $2) AND f.id <= $3
              AND ($4::timestamptz IS NULL OR f.received_at >= $4)
              AND ($6::jsonb ->> 'until' IS NULL OR f.received_at < ($6::jsonb ->> 'until')::timestamptz)
              AND ($6::jsonb ->> 'cause' IS NULL OR f.reason = $6::jsonb ->> 'cause')
              AND ($6::jsonb ->> 'device' IS NULL OR d.name = $6::jsonb ->> 'device')
              AND ($6::jsonb ->> 'meter' IS NULL OR m.key = $6::jsonb ->> 'meter')
              AND ($6::jsonb ->> 'id' IS NULL OR f.id = ($6::jsonb ->> 'id')::bigint)
        ORDER BY f.received_at, f.id
        LIMIT $5
    ) n
) p
WHERE p.bytes_before < $7
ORDER BY p.received_at, p.id
