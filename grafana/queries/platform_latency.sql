SELECT $__timeGroup(bucket, $__interval) AS "time", (sum(delay_s) / nullif(sum(timed), 0))::double precision AS "Reading to table",
       (sum(wait_s) / sum(deliveries))::double precision AS "Wait in the ingestor", max(wait_max_s) AS "Longest wait"
FROM ledger_summary
WHERE $__timeFilter(bucket)
GROUP BY 1
ORDER BY 1
