-- The rise of a register since the reading before, as the power that it would have taken, however long that reading is ago. What
-- counts is what came of late: after an outage that is of any age, and the summary of the ledger tells how old.
WITH came AS (
    SELECT device, min(bucket - make_interval(secs => coalesce(delay_max_s, 0))) AS since
    FROM ledger_summary
    WHERE bucket > now() - INTERVAL '2 hours'
    GROUP BY device
), register AS MATERIALIZED (
    SELECT e.series_id, e.device, e.meter, e.obis,
           greatest(least(c.since - INTERVAL '15 minutes', now() - INTERVAL '2 hours'), now() - INTERVAL '31 days') AS since,
           c.since < now() - INTERVAL '2 hours' AS late
    FROM energy_series e
    LEFT JOIN came c ON c.device = e.device
), part AS MATERIALIZED (
    SELECT g.*, r.bucket, r.first_at, r.first_value, r.last_at, r.last_value, r.max_value,
           lag(r.last_at) OVER w AS before_at, lag(r.last_value) OVER w AS before
    FROM register g
    JOIN rollup_15m r ON r.series_id = g.series_id AND r.bucket > g.since
    WHERE r.bucket > (SELECT min(since) FROM register)
    WINDOW w AS (PARTITION BY g.series_id ORDER BY r.bucket)
), followed AS (
    SELECT p.device, p.meter, p.obis, greatest(p.max_value, p.last_value) - coalesce(p.before, o.last_value, p.first_value) AS rise_kwh,
           extract(epoch FROM p.last_at - coalesce(p.before_at, o.last_at, p.first_at)) / 3600 AS hours
    FROM part p
    LEFT JOIN LATERAL (
        -- only where something is missing before: else the rise was seen when that was new
        SELECT r.last_at, r.last_value
        FROM rollup_15m r
        WHERE p.before_at IS NULL AND (p.late OR p.first_at > p.since + INTERVAL '16 minutes') AND r.series_id = p.series_id
              AND r.bucket < p.bucket AND r.bucket > p.bucket - INTERVAL '31 days'
        ORDER BY r.bucket DESC
        LIMIT 1
    ) o ON true
)
SELECT coalesce(device, 'unknown') AS device, meter, obis, max(rise_kwh / greatest(hours, 0.05))::double precision AS value
FROM followed
WHERE rise_kwh > 0
GROUP BY 1, 2, 3
HAVING max(rise_kwh / greatest(hours, 0.05)) >= 1
