-- Until when readings of these meters ($1), and of those behind them, came by other specs than $3, as the ledger ($4 and later)
-- says; only of meters that have begun to come by $3. What is newer is by $3.
WITH family AS (
    SELECT s.top, s.top AS meter_id, s.given_at FROM unnest($1::int[], $2::timestamptz[]) AS s (top, given_at)
    UNION ALL
    SELECT s.top, m.id, s.given_at FROM unnest($1::int[], $2::timestamptz[]) AS s (top, given_at)
    JOIN meter m ON m.parent_id = s.top
)
SELECT f.top, f.meter_id, coalesce(max(e.newest_at) FILTER (WHERE e.spec <> $3), f.given_at) AS old_until
FROM family f
JOIN message e ON e.meter_id = f.meter_id AND e.kind = 1 AND e.received_at >= $4
GROUP BY f.top, f.meter_id, f.given_at
HAVING bool_or(e.spec = $3)
