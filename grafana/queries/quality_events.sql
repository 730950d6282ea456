SELECT coalesce(e.event, 'nobody complained in this range') AS "Event", e.severity AS "Severity", e.times AS "Times",
       e.devices AS "Devices", e.last AS "Last"
FROM (VALUES (true)) f
LEFT JOIN (
    SELECT event, severity, count(*) AS times, count(DISTINCT device) AS devices, max(at) AS last
    FROM event_log
    WHERE $__timeFilter(received_at) AND severity <> 'info' AND (device IS NULL OR device IN (${device:sqlstring}))
    GROUP BY 1, 2
) e ON true
ORDER BY 3 DESC
