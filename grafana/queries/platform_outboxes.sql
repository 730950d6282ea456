SELECT o.device AS "Device", o.times AS "Times", o.last AS "Last", coalesce(o.events, 'no outbox complained in this range') AS "Events"
FROM (VALUES (true)) f
LEFT JOIN (
    SELECT device, count(*) AS times, max(at) AS last, string_agg(DISTINCT event, ', ') AS events
    FROM event_log
    WHERE $__timeFilter(received_at) AND event LIKE 'outbox%' AND severity <> 'info'
    GROUP BY 1
    ORDER BY 2 DESC
    LIMIT 50
) o ON true
ORDER BY o.times DESC
