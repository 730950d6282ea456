-- Power as the meter sums it, else import less export; each is averaged over the interval.
SELECT $__timeGroup(time, '$__interval') AS "time", meter AS metric,
       coalesce(avg(value) FILTER (WHERE obis = '1-0:16.7.0'),
                avg(value) FILTER (WHERE obis = '1-0:1.7.0')
                - coalesce(avg(value) FILTER (WHERE obis = '1-0:2.7.0'), 0)) AS value
FROM named_reading
WHERE $__timeFilter(time) AND obis IN ('1-0:16.7.0', '1-0:1.7.0', '1-0:2.7.0') AND unit = 'kW' AND meter IN ($meter)
GROUP BY 1, 2
HAVING bool_or(obis <> '1-0:2.7.0')
ORDER BY 1, 2
