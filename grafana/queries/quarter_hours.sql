-- Mean power of each quarter-hour, in kW, for one meter's import or export. All of its tariffs or none, and none of a
-- quarter in which readings begin or end: what was seen of it is no mean of it.
SELECT c.bucket, sum(c.value) * 4 AS power_kw
FROM consumption_15m(date_trunc('day', $__timeFrom()::timestamptz, store_zone()), $__timeTo(), ARRAY(
         SELECT series_id FROM energy_series WHERE counts AND direction = ${direction:sqlstring} AND meter = ${meter:sqlstring}
     )) c
WHERE c.bucket_end <= now()
GROUP BY 1
HAVING bool_and(c.value IS NOT NULL AND c.flag IS DISTINCT FROM 'partial')
