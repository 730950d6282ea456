SELECT $__timeGroup(stored_at, $__interval) AS "time", avg(write_s)::double precision AS "Mean", max(write_s)::double precision AS "Longest"
FROM ingest_batch_between($__timeFrom(), $__timeTo())
GROUP BY 1
ORDER BY 1
