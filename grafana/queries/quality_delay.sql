SELECT $__timeGroup(received_at, $__interval) AS "time",
       avg(extract(epoch FROM stored_at - newest_at))::double precision AS "Mean",
       max(extract(epoch FROM stored_at - newest_at))::double precision AS "Longest"
FROM ledger
WHERE $__timeFilter(received_at) AND newest_at IS NOT NULL AND device IN (${device:sqlstring})
GROUP BY 1
ORDER BY 1
