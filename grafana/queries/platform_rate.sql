SELECT $__timeGroup(bucket, $__interval) AS "time", sum(deliveries)::double precision / ($__interval_ms / 1000.0) AS "Messages",
       sum(rows)::double precision / ($__interval_ms / 1000.0) AS "Values"
FROM ledger_summary
WHERE $__timeFilter(bucket) AND whole
GROUP BY 1
ORDER BY 1
