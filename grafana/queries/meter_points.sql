-- The point where it stands now, or where it was the one before.
SELECT coalesce(p.point, 'it stands at no point') AS "Point", p.device AS "Device", p.port AS "Port", p.meter AS "Meter",
       p.since AS "Since", p.previous_meter AS "Before it",
       CASE WHEN p.meter IN (
{volume_meters}
       ) THEN 'wattline-volume' ELSE 'wattline-meter' END AS "Board"
FROM (VALUES (true)) f
LEFT JOIN point_overview p ON ${meter:sqlstring} IN (p.meter, p.previous_meter)
ORDER BY p.since DESC NULLS LAST
