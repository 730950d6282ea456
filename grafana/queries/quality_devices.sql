SELECT o.device AS "Device", g.messages AS "Messages", g.lost AS "Lost", g.healed AS "Healed",
       g.resent AS "Sent again", w.unconfirmed AS "Waiting for receipt", g.repeated AS "Repeated", g.late AS "Late",
       CASE WHEN o.device IS NOT NULL THEN coalesce(q.quarantined, 0) END AS "Quarantined",
       CASE WHEN o.device IS NOT NULL THEN coalesce(m.missing, 0) END AS "Missing readings",
       CASE WHEN o.device IS NULL THEN 'no device yet' ELSE c.clock END AS "Clock",
       CASE WHEN o.device IS NOT NULL THEN coalesce(e.steps, 0) END AS "Clock steps",
       CASE WHEN o.online THEN 1 WHEN o.device IS NOT NULL THEN 0 END AS "Online"
FROM (VALUES (true)) f
LEFT JOIN device_overview o ON o.device IN (${device:sqlstring})
LEFT JOIN outbox_overview w ON w.device = o.device
LEFT JOIN ledger_quality_between($__timeFrom(), $__timeTo()) g ON g.device = o.device
LEFT JOIN (
    SELECT device, count(*) AS quarantined FROM quarantine WHERE $__timeFilter(received_at) GROUP BY device
) q ON q.device = o.device
LEFT JOIN (
    SELECT device, sum(missing) AS missing FROM meter_gap_between($__timeFrom(), $__timeTo()) GROUP BY device
) m ON m.device = o.device
LEFT JOIN (
    SELECT device, string_agg(DISTINCT clock, ', ') AS clock FROM latest_reading GROUP BY device
) c ON c.device = o.device
LEFT JOIN (
    SELECT device, count(*) AS steps FROM event_log
    WHERE $__timeFilter(received_at) AND event = 'clock_stepped' GROUP BY device
) e ON e.device = o.device
ORDER BY g.lost DESC NULLS LAST, o.device
