SELECT c.bucket AS "time", s.name AS metric, c.value::double precision AS value
FROM consumption_1d(date_trunc('day', $__timeFrom()::timestamptz, store_zone()), $__timeTo(), ARRAY(
         SELECT series_id FROM (
{volume_series}
         ) v
     )) c
JOIN (
{volume_series}
) s ON s.series_id = c.series_id
ORDER BY 1, 2
