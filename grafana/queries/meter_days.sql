SELECT c.bucket AS "time", e.direction AS metric, sum(c.value)::double precision AS value
FROM consumption_1d(date_trunc('day', $__timeFrom()::timestamptz, store_zone()), $__timeTo(), ARRAY(
         SELECT series_id FROM energy_series WHERE counts AND meter = ${meter:sqlstring}
     )) c
JOIN energy_series e ON e.series_id = c.series_id
GROUP BY 1, 2
ORDER BY 1, 2
