SELECT o.device AS "Device", o.waiting AS "To send", o.unconfirmed AS "Waiting for receipt", o.told_at AS "Told",
       o.times AS "Complaints", o.last AS "Last", coalesce(o.events, 'no outbox complained in this range') AS "Events"
FROM (VALUES (true)) f
LEFT JOIN (
    SELECT device, w.waiting, w.unconfirmed, w.told_at, e.times, e.last, coalesce(e.events, '-') AS events
    FROM (SELECT * FROM outbox_overview WHERE waiting > 0 OR unconfirmed > 0) w
    FULL JOIN (
        SELECT device, count(*) AS times, max(at) AS last, string_agg(DISTINCT event, ', ') AS events
        FROM event_log
        WHERE $__timeFilter(received_at) AND event LIKE 'outbox%' AND severity <> 'info'
        GROUP BY 1
    ) e USING (device)
    ORDER BY e.times DESC NULLS LAST, w.unconfirmed + w.waiting DESC
    LIMIT 50
) o ON true
ORDER BY o.times DESC NULLS LAST, o.unconfirmed + o.waiting DESC
