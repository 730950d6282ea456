SELECT at AS "time", concat(device, ' v', version, ' by ', author, ': ', array_to_string(changes, ', ')) AS text,
       'parameters' AS tags
FROM parameter_change
WHERE $__timeFilter(at) AND device IN (
{marked}
)
ORDER BY at DESC
LIMIT 200
