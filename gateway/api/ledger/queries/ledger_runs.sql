-- Which numbers the ledger itself holds of what was received in [$1, $2): from low to high without a break.
SELECT d.name AS device, r.boot, r.low, r.high, r.first_at, r.last_at
FROM (
    SELECT device_id, boot, min(seq) AS low, max(seq) AS high, min(received_at) AS first_at, max(received_at) AS last_at
    FROM (
        SELECT device_id, boot, seq, received_at, seq - dense_rank() OVER (PARTITION BY device_id, boot ORDER BY seq) AS run
        FROM message
        WHERE received_at >= $1 AND received_at < $2
              AND ($3::text IS NULL OR device_id = (SELECT id FROM device WHERE name = $3))
    ) n
    GROUP BY device_id, boot, run
) r
JOIN device d ON d.id = r.device_id
WHERE (d.name, r.boot, r.low) > ($4, $5, $6)
ORDER BY d.name, r.boot, r.low
LIMIT $7
