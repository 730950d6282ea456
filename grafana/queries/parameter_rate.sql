SELECT $__timeGroup(at, $__interval) AS "time", author AS metric, count(*) AS value
FROM parameter_change
WHERE $__timeFilter(at) AND device IN (${device:sqlstring})
GROUP BY 1, 2
ORDER BY 1, 2
