-- A device that is away has a rule of its own.
SELECT device, meter, CASE WHEN meter IN (
{volume_meters}
       ) THEN 'wattline-volume' ELSE 'wattline-meter' END AS board, silent_s AS value
FROM meter_silence(make_interval(mins => ${silent_min:sqlstring}::integer))
WHERE online
