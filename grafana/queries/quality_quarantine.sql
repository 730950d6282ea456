SELECT $__timeGroup(received_at, $__interval) AS "time", reason AS metric, count(*) AS value
FROM quarantine
WHERE $__timeFilter(received_at) AND (device IS NULL OR device IN (${device:sqlstring}))
GROUP BY 1, 2
ORDER BY 1, 2
