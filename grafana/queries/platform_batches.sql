SELECT $__timeGroup(at, $__interval) AS "time", avg(messages)::double precision AS "Messages", avg(rows)::double precision AS "Values",
       max(rows) AS "Largest"
FROM batch_log
WHERE $__timeFilter(at)
GROUP BY 1
ORDER BY 1
