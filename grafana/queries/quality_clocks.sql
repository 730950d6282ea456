SELECT CASE clock WHEN 'meter' THEN 'The meter''s own' WHEN 'synced' THEN 'Device, kept by NTP' ELSE 'Device, not kept' END AS "Clock",
       count(DISTINCT meter) AS "Meters"
FROM latest_reading
WHERE device IN (${device:sqlstring}) AND meter IN (SELECT meter FROM meter_overview WHERE removed_at IS NULL)
GROUP BY clock
ORDER BY 2 DESC
