SELECT $__timeGroup(mapped_at, $__interval) AS "time",
       avg(extract(epoch FROM mapped_at - received_at))::double precision AS "Mean",
       max(extract(epoch FROM mapped_at - received_at))::double precision AS "Longest"
FROM (
{payloads_lately}
) p
GROUP BY 1
ORDER BY 1
