SELECT coalesce(s.state, f.note) AS "State", s.meter AS "Meter", s.device AS "Device", s.heard_at AS "Last heard",
       s.silent_s AS "Silent for", s.cadence_s AS "Usually every", CASE WHEN s.online THEN 1 WHEN NOT s.online THEN 0 END AS "Online",
       s.board AS "Board"
FROM (
    SELECT CASE WHEN EXISTS (SELECT FROM meter_overview WHERE removed_at IS NULL AND meter IN (
{chosen_meters}
           )) THEN 'every meter is heard' ELSE 'no meter yet' END AS note
) f
LEFT JOIN (
    SELECT CASE WHEN heard_at IS NULL THEN 'never heard' ELSE 'silent' END AS state, meter, device, heard_at, silent_s, cadence_s, online,
           CASE WHEN meter IN (
{volume_meters}
           ) THEN 'wattline-volume' ELSE 'wattline-meter' END AS board
    FROM (
{silent_meters}
    ) m
    ORDER BY silent_s DESC NULLS FIRST
    LIMIT 100
) s ON true
ORDER BY s.silent_s DESC NULLS FIRST
