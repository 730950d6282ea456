SELECT $__timeGroup(bucket, $__interval) AS "time", avg(power_kw) AS "Power"
FROM (
    SELECT bucket, sum(power_kw) AS power_kw
    FROM (
        SELECT r.bucket, n.meter_id,
               coalesce(avg(r.mean_value) FILTER (WHERE n.obis = '1-0:16.7.0'),
                        avg(r.mean_value) FILTER (WHERE n.obis = '1-0:1.7.0')
                        - coalesce(avg(r.mean_value) FILTER (WHERE n.obis = '1-0:2.7.0'), 0)) AS power_kw
        FROM (
{power_rollup}
        ) r
        JOIN series_name n ON n.series_id = r.series_id
        WHERE n.obis IN ('1-0:16.7.0', '1-0:1.7.0', '1-0:2.7.0') AND n.unit = 'kW' AND n.meter IN (${meter:sqlstring})
        GROUP BY 1, 2
    ) meter
    GROUP BY 1
) fleet
GROUP BY 1
ORDER BY 1
