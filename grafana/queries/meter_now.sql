-- A value older than a quarter of an hour is no power of now. Some meters call their only channel 1, not 0.
SELECT meter,
       coalesce(max(value) FILTER (WHERE obis IN ('1-0:16.7.0', '1-1:16.7.0')),
                max(value) FILTER (WHERE obis IN ('1-0:1.7.0', '1-1:1.7.0'))
                - coalesce(max(value) FILTER (WHERE obis IN ('1-0:2.7.0', '1-1:2.7.0')), 0)) AS power_kw
FROM latest_reading
WHERE obis IN ('1-0:16.7.0', '1-0:1.7.0', '1-0:2.7.0', '1-1:16.7.0', '1-1:1.7.0', '1-1:2.7.0') AND unit = 'kW' AND meter IN (${meter:sqlstring})
      AND time > now() - INTERVAL '15 minutes'
      AND meter IN (SELECT meter FROM meter_overview WHERE removed_at IS NULL)
GROUP BY meter
