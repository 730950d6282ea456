SELECT at AS "time", concat_ws(' ', device, meter, event) AS text, severity AS tags
FROM event_log
WHERE $__timeFilter(received_at) AND severity IN ('warning', 'error') AND device IN (
{marked}
)
ORDER BY at DESC
LIMIT 200
