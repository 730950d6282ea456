SELECT $__timeGroup(mapped_at, $__interval) AS "time", count(*)::double precision / ($__interval_ms / 1000.0) AS "Payloads",
       sum(readings)::double precision / ($__interval_ms / 1000.0) AS "Readings"
FROM (
{payloads_lately}
) p
GROUP BY 1
ORDER BY 1
