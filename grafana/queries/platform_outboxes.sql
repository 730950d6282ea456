SELECT device AS "Device", count(*) AS "Times", max(at) AS "Last", string_agg(DISTINCT event, ', ') AS "Events"
FROM event_log
WHERE $__timeFilter(received_at) AND event LIKE 'outbox%' AND severity <> 'info'
GROUP BY 1
ORDER BY 2 DESC
LIMIT 50
