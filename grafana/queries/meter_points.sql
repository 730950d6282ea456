-- The point where it stands now, or where it was the one before.
SELECT point AS "Point", device AS "Device", port AS "Port", meter AS "Meter", since AS "Since", previous_meter AS "Before it"
FROM point_overview
WHERE ${meter:sqlstring} IN (meter, previous_meter)
ORDER BY since DESC NULLS LAST
