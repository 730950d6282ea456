SELECT e.at AS "Time", substr(e.device, 8) AS "Source", e.severity AS "Severity", coalesce(e.event, 'nothing in this range') AS "Event",
       e.detail::text AS "Detail"
FROM (VALUES (true)) f
LEFT JOIN (
    SELECT at, device, severity, event, detail
    FROM event_log
    WHERE $__timeFilter(received_at) AND device LIKE 'source-%' AND severity <> 'info'
          AND (event LIKE 'source\_%' OR event LIKE 'payloads\_%')
    ORDER BY at DESC
    LIMIT 100
) e ON true
ORDER BY e.at DESC
