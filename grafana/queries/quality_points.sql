SELECT point AS "Point", device AS "Device", port AS "Port", meter AS "Meter", since AS "Since", previous_meter AS "Before it"
FROM point_overview
WHERE device IN (${device:sqlstring})
ORDER BY meter IS NOT NULL, point
