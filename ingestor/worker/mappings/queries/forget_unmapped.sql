-- What no mapping made anything of: received before $1, or what its source has beyond $2 bytes, the
-- newest kept; $3 at most. A row is a KiB beside its body: very many tiny ones are as much to keep, and to count.
WITH gone AS (
    DELETE FROM payload
    WHERE state = 'unmapped' AND id IN (
        SELECT k.id
        FROM (
            SELECT id, received_at, sum(coalesce(octet_length(body), 0) + 1024) OVER (PARTITION BY source ORDER BY id DESC) AS bytes
            FROM payload
            WHERE state = 'unmapped'
        ) k
        WHERE k.received_at < $1 OR k.bytes > $2
        LIMIT $3
    )
    RETURNING source, received_at, coalesce(octet_length(body), 0) AS bytes
)
SELECT g.source, s.device_id, count(*) AS payloads, sum(g.bytes)::bigint AS bytes, min(g.received_at) AS since
FROM gone g
LEFT JOIN source s ON s.name = g.source
GROUP BY g.source, s.device_id
ORDER BY g.source
