SELECT e.at AS "Time", e.source AS "Service", e.severity AS "Severity", coalesce(e.event, 'nothing in this range') AS "Event",
       e.detail::text AS "Detail"
FROM (VALUES (true)) f
LEFT JOIN (
    SELECT at, source, severity, event, detail
    FROM event_log
    WHERE $__timeFilter(received_at) AND source <> 'device'
    ORDER BY at DESC
    LIMIT 100
) e ON true
ORDER BY e.at DESC
