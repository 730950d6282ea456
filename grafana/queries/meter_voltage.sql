SELECT $__timeGroup(bucket, $__interval) AS "time",
       CASE obis WHEN '1-0:32.7.0' THEN 'L1' WHEN '1-0:52.7.0' THEN 'L2' ELSE 'L3' END AS metric, avg(mean_value) AS value
FROM (
{meter_values}
) v
WHERE obis IN ('1-0:32.7.0', '1-0:52.7.0', '1-0:72.7.0') AND unit = 'V'
GROUP BY 1, 2
ORDER BY 1, 2
