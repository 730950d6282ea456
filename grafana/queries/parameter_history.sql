SELECT at AS "Published", device AS "Device", version AS "Version", author AS "Author",
       array_to_string(changes, ', ') AS "Changes"
FROM parameter_change
WHERE $__timeFilter(at) AND device IN (${device:sqlstring})
ORDER BY at DESC
LIMIT 200
