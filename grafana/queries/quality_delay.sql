SELECT $__timeGroup(bucket, $__interval) AS "time", (sum(delay_s) / sum(timed))::double precision AS "Mean",
       max(delay_max_s) AS "Longest"
FROM ledger_summary
WHERE $__timeFilter(bucket) AND timed > 0 AND device IN (${device:sqlstring})
GROUP BY 1
ORDER BY 1
