SELECT CASE clock WHEN 'meter' THEN 'The meter''s own' WHEN 'synced' THEN 'Device, kept by NTP' ELSE 'Device, not kept' END AS "Clock",
       count(DISTINCT meter) AS "Meters"
FROM latest_reading
WHERE device IN (${device:sqlstring})
GROUP BY clock
ORDER BY 2 DESC
