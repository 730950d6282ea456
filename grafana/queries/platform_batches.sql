SELECT $__timeGroup(stored_at, $__interval) AS "time", avg(messages)::double precision AS "Messages", avg(rows)::double precision AS "Values",
       max(rows) AS "Largest"
FROM ingest_batch_between($__timeFrom(), $__timeTo())
GROUP BY 1
ORDER BY 1
