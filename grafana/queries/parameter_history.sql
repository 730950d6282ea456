SELECT c.at AS "Published", c.device AS "Device", c.version AS "Version", c.author AS "Author",
       CASE WHEN c.device IS NULL THEN 'no change in this range' ELSE array_to_string(c.changes, ', ') END AS "Changes"
FROM (VALUES (true)) f
LEFT JOIN (
    SELECT at, device, version, author, changes
    FROM parameter_change
    WHERE $__timeFilter(at) AND device IN (${device:sqlstring})
    ORDER BY at DESC
    LIMIT 200
) c ON true
ORDER BY c.at DESC
