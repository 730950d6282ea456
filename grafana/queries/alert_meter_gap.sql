SELECT coalesce(device, 'unknown') AS device, meter, CASE WHEN meter IN (
{volume_meters}
       ) THEN 'wattline-volume' ELSE 'wattline-meter' END AS board, sum(missing)::double precision AS value
FROM meter_gap
GROUP BY 1, 2
