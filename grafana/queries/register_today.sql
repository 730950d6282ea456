-- Energy of today by register, from the last value at or before local midnight (not older than an hour), else from the
-- first of the day. A register that fell, jumped and came back, or began at zero says nothing: better than phantom energy.
SELECT meter, obis,
       CASE WHEN lowest >= first_kwh AND highest <= last_kwh AND (first_kwh > 0 OR last_kwh = first_kwh)
            THEN last_kwh - first_kwh END AS energy_kwh
FROM (
    SELECT meter, obis, last(value, time) AS last_kwh, min(value) FILTER (WHERE today) AS lowest,
           max(value) FILTER (WHERE today) AS highest,
           coalesce(last(value, time) FILTER (WHERE NOT today), first(value, time)) AS first_kwh
    FROM (
        SELECT meter, obis, time, value,
               time > date_trunc('day', now() AT TIME ZONE '$zone') AT TIME ZONE '$zone' AS today
        FROM named_reading
        WHERE obis IN ('1-0:1.8.0', '1-0:1.8.1', '1-0:1.8.2', '1-0:1.8.3', '1-0:1.8.4') AND unit = 'kWh'
              AND meter IN ($meter) AND time <= now()
              AND time > (date_trunc('day', now() AT TIME ZONE '$zone') AT TIME ZONE '$zone') - INTERVAL '1 hour'
    ) reading
    GROUP BY meter, obis
    HAVING bool_or(today)
) register
