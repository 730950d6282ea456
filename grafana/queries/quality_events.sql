SELECT event AS "Event", severity AS "Severity", count(*) AS "Times", count(DISTINCT device) AS "Devices", max(at) AS "Last"
FROM event_log
WHERE $__timeFilter(received_at) AND severity <> 'info' AND (device IS NULL OR device IN (${device:sqlstring}))
GROUP BY 1, 2
ORDER BY 3 DESC
