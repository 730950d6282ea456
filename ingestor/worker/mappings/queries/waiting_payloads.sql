-- The next payloads of source $1, behind id $4: $2 at most, and no more than fit into $3 bytes, but one always.
SELECT p.id, p.key, p.received_at, p.content_type, p.topic, p.body
FROM (
    SELECT n.*, sum(octet_length(n.body)) OVER (ORDER BY n.id) - octet_length(n.body) AS bytes_before
    FROM (
        SELECT id, key, received_at, content_type, topic, body
        FROM payload
        WHERE source = $1 AND state = 'waiting' AND id > $4
        ORDER BY id
        LIMIT $2
    ) n
) p
WHERE p.bytes_before IS NULL OR p.bytes_before < $3
ORDER BY p.id
