-- A column a local day, a row a local quarter-hour. The hour that autumn gives twice is shown by the mean of both. The colours end
-- where all but three quarter-hours do, where those are five times as high: the table of the highest has what they were.
WITH quarter AS MATERIALIZED (
{quarter_hours}
), ends AS (
    SELECT CASE WHEN top > 5 * others THEN 1.5 * others ELSE top END AS kw
    FROM (SELECT max(power_kw) AS top, (array_agg(power_kw ORDER BY power_kw DESC))[4] AS others FROM quarter) q
)
SELECT date_trunc('day', bucket, store_zone()) AS "time", to_char(bucket AT TIME ZONE store_zone(), 'HH24:MI') AS metric,
       least(avg(power_kw), max(kw))::double precision AS value
FROM quarter CROSS JOIN ends
GROUP BY 1, 2
ORDER BY 1, 2
