SELECT g.meter AS "Meter", g.device AS "Device", g.missing AS "Missing", g.gaps AS "Gaps",
       CASE WHEN g.open THEN 'still open' WHEN NOT g.open THEN 'over'
            WHEN EXISTS (SELECT FROM latest_reading) THEN 'no gap' ELSE 'no reading yet' END AS "State",
       g.board AS "Board"
FROM (VALUES (true)) f
LEFT JOIN (
    SELECT meter, device, sum(missing) AS missing, count(*) AS gaps, bool_or(open) AS open,
           CASE WHEN meter IN (
{volume_meters}
           ) THEN 'wattline-volume' ELSE 'wattline-meter' END AS board
    FROM meter_gap
    WHERE meter IN (
{chosen_meters}
    )
    GROUP BY 1, 2
    ORDER BY 3 DESC
    LIMIT 20
) g ON true
ORDER BY g.missing DESC
