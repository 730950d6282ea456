SELECT e.at AS "Time", e.severity AS "Severity", coalesce(e.event, 'nothing in this range') AS "Event", e.source AS "Source",
       e.detail::text AS "Detail"
FROM (VALUES (true)) f
LEFT JOIN (
    SELECT at, severity, event, source, detail
    FROM event_log
    WHERE $__timeFilter(received_at) AND (meter = ${meter:sqlstring} OR meter IS NULL AND device = (
              SELECT device FROM meter_overview WHERE meter = ${meter:sqlstring}))
          -- told each minute, of every meter
          AND event <> 'decode_counts'
    ORDER BY at DESC
    LIMIT 100
) e ON true
ORDER BY e.at DESC
