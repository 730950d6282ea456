SELECT o.device AS "Device", g.messages AS "Messages", g.lost AS "Lost", g.repeated AS "Repeated", g.late AS "Late",
       coalesce(q.quarantined, 0) AS "Quarantined", coalesce(m.missing, 0) AS "Missing readings", c.clock AS "Clock",
       coalesce(e.steps, 0) AS "Clock steps", CASE WHEN o.online THEN 1 ELSE 0 END AS "Online"
FROM device_overview o
LEFT JOIN ledger_quality_between($__timeFrom(), $__timeTo()) g ON g.device = o.device
LEFT JOIN (
    SELECT device, count(*) AS quarantined FROM quarantine WHERE $__timeFilter(received_at) GROUP BY device
) q ON q.device = o.device
LEFT JOIN (SELECT device, sum(missing) AS missing FROM meter_gap_between($__timeFrom(), $__timeTo()) GROUP BY device) m ON m.device = o.device
LEFT JOIN (
    SELECT device, string_agg(DISTINCT clock, ', ') AS clock FROM latest_reading GROUP BY device
) c ON c.device = o.device
LEFT JOIN (
    SELECT device, count(*) AS steps FROM event_log
    WHERE $__timeFilter(received_at) AND event = 'clock_stepped' GROUP BY device
) e ON e.device = o.device
WHERE o.device IN (${device:sqlstring})
ORDER BY g.lost DESC NULLS LAST, o.device
