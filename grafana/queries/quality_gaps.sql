SELECT g.device AS "Device", g.meter AS "Meter", g.from_at AS "From", g.until_at AS "Until", g.missing AS "Missing",
       g.total AS "Whole gap", g.cadence_s AS "Every",
       CASE WHEN g.open THEN 'still open' WHEN NOT g.open THEN 'over'
            WHEN EXISTS (SELECT FROM latest_reading) THEN 'no gap' ELSE 'no reading yet' END AS "State",
       CASE WHEN g.meter IN (
{volume_meters}
       ) THEN 'wattline-volume' ELSE 'wattline-meter' END AS "Board"
FROM (VALUES (true)) f
LEFT JOIN (
    SELECT device, meter, from_at, until_at, missing, total, cadence_s, open
    FROM meter_gap_between($__timeFrom(), $__timeTo())
    WHERE device IN (${device:sqlstring})
    ORDER BY missing DESC
    LIMIT 100
) g ON true
ORDER BY g.missing DESC
