SELECT $__timeGroup(received_at, $__interval) AS "time",
       avg(extract(epoch FROM stored_at - newest_at))::double precision AS "Reading to table",
       avg(extract(epoch FROM stored_at - received_at))::double precision AS "Wait in the ingestor",
       max(extract(epoch FROM stored_at - received_at))::double precision AS "Longest wait"
FROM ledger
WHERE $__timeFilter(received_at)
GROUP BY 1
ORDER BY 1
