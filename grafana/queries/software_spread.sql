SELECT coalesce(software, 'unknown') AS "Software", count(*) AS "Devices"
FROM device_overview
WHERE device IN (${device:sqlstring})
GROUP BY 1
ORDER BY 2 DESC
