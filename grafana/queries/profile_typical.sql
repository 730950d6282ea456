SELECT to_char(local, 'HH24:MI') AS "Time of day",
       avg(power_kw) FILTER (WHERE extract(isodow FROM local) <= 5)::double precision AS "Monday to Friday",
       avg(power_kw) FILTER (WHERE extract(isodow FROM local) = 6)::double precision AS "Saturday",
       avg(power_kw) FILTER (WHERE extract(isodow FROM local) = 7)::double precision AS "Sunday"
FROM (
    SELECT bucket AT TIME ZONE store_zone() AS local, power_kw
    FROM (
{quarter_hours}
    ) q
) l
GROUP BY 1
ORDER BY 1
