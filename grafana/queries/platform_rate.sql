SELECT $__timeGroup(received_at, $__interval) AS "time", count(*) / ($__interval_ms / 1000.0) AS "Messages",
       sum(rows) / ($__interval_ms / 1000.0) AS "Values"
FROM ledger
WHERE $__timeFilter(received_at)
GROUP BY 1
ORDER BY 1
