-- A column a local day, a row a local quarter-hour. The hour that autumn gives twice is shown by the mean of both.
SELECT date_trunc('day', bucket, store_zone()) AS "time", to_char(bucket AT TIME ZONE store_zone(), 'HH24:MI') AS metric,
       avg(power_kw)::double precision AS value
FROM (
{quarter_hours}
) q
GROUP BY 1, 2
ORDER BY 1, 2
