SELECT coalesce(p.point, 'no point yet') AS "Point", p.device AS "Device", p.port AS "Port", p.meter AS "Meter", p.since AS "Since",
       p.previous_meter AS "Before it",
       CASE WHEN p.meter IN (
{volume_meters}
       ) THEN 'wattline-volume' ELSE 'wattline-meter' END AS "Board"
FROM (VALUES (true)) f
LEFT JOIN point_overview p ON p.device IN (${device:sqlstring})
ORDER BY p.meter IS NOT NULL, p.point
