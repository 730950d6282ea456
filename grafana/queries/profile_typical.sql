-- Drawn over the day that the panel shows; the days are those of the dashboard, whose range the panel does not have.
SELECT $__timeFrom()::timestamptz + (local - date_trunc('day', local)) AS "time",
       avg(power_kw) FILTER (WHERE extract(isodow FROM local) <= 5)::double precision AS "Monday to Friday",
       avg(power_kw) FILTER (WHERE extract(isodow FROM local) = 6)::double precision AS "Saturday",
       avg(power_kw) FILTER (WHERE extract(isodow FROM local) = 7)::double precision AS "Sunday"
FROM (
    SELECT c.bucket AT TIME ZONE store_zone() AS local, c.power_kw
    FROM (
        SELECT bucket, sum(value) * 4 AS power_kw
        FROM consumption_15m(
                 date_trunc('day', ${since:sqlstring}::timestamptz, store_zone()), ${until:sqlstring}::timestamptz, ARRAY(
                 SELECT series_id FROM energy_series WHERE counts AND direction = ${direction:sqlstring} AND meter = ${meter:sqlstring}
             ))
        WHERE bucket_end <= now()
        GROUP BY bucket
        HAVING bool_and(value IS NOT NULL AND flag IS DISTINCT FROM 'partial')
    ) c
) q
GROUP BY 1
ORDER BY 1
