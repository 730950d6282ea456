SELECT meter AS "Meter", device AS "Device", heard_at AS "Last heard", silent_s AS "Silent for", cadence_s AS "Usually every",
       CASE WHEN online THEN 1 ELSE 0 END AS "Online"
FROM (
{silent_meters}
) s
ORDER BY silent_s DESC NULLS FIRST
LIMIT 100
