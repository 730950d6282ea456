-- Readings themselves while a point is shorter than a quarter of an hour, then the roll-ups.
SELECT $__timeGroup(bucket, $__interval) AS "time",
       coalesce(avg(mean_value) FILTER (WHERE obis = '1-0:16.7.0'),
                avg(mean_value) FILTER (WHERE obis = '1-0:1.7.0')
                - coalesce(avg(mean_value) FILTER (WHERE obis = '1-0:2.7.0'), 0)) AS "Power"
FROM (
{meter_values}
) v
WHERE obis IN ('1-0:16.7.0', '1-0:1.7.0', '1-0:2.7.0') AND unit = 'kW'
GROUP BY 1
HAVING bool_or(obis <> '1-0:2.7.0')
ORDER BY 1
