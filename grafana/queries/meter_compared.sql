-- Local hours of today, yesterday and the same day of last week. The second of two equal hours in autumn adds to the first.
SELECT to_char(c.bucket AT TIME ZONE store_zone(), 'HH24:00') AS "Hour",
       sum(c.value) FILTER (WHERE day.back = 0)::double precision AS "Today",
       sum(c.value) FILTER (WHERE day.back = 1)::double precision AS "Yesterday",
       sum(c.value) FILTER (WHERE day.back = 7)::double precision AS "Last week"
FROM (
    SELECT back, (now() AT TIME ZONE store_zone())::date - back AS date
    FROM unnest(ARRAY[0, 1, 7]) AS back
) day
CROSS JOIN LATERAL consumption_15m(
    day.date::timestamp AT TIME ZONE store_zone(), least(now(), (day.date + 1)::timestamp AT TIME ZONE store_zone()), ARRAY(
        SELECT series_id FROM energy_series WHERE counts AND direction = 'import' AND meter = ${meter:sqlstring}
    )) c
GROUP BY 1
ORDER BY 1
