SELECT at AS "Time", severity AS "Severity", event AS "Event", source AS "Source", detail::text AS "Detail"
FROM event_log
WHERE $__timeFilter(received_at) AND (meter = ${meter:sqlstring} OR meter IS NULL AND device = (
          SELECT device FROM meter_overview WHERE meter = ${meter:sqlstring}))
      -- told each minute, of every meter
      AND event <> 'decode_counts'
ORDER BY at DESC
LIMIT 100
