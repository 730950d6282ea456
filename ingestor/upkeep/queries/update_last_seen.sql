-- In the order of devices, the same for everybody.
WITH heard AS (
    SELECT s.*
    FROM device d
    JOIN unnest($1::integer[], $2::timestamptz[]) AS s (id, at) ON s.id = d.id
    WHERE d.last_seen_at IS NULL OR d.last_seen_at < s.at
    ORDER BY d.id
    FOR NO KEY UPDATE OF d
)
UPDATE device SET last_seen_at = s.at FROM heard s WHERE device.id = s.id
