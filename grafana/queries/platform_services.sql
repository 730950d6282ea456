SELECT at AS "Time", source AS "Service", severity AS "Severity", event AS "Event", detail::text AS "Detail"
FROM event_log
WHERE $__timeFilter(received_at) AND source <> 'device'
ORDER BY at DESC
LIMIT 100
