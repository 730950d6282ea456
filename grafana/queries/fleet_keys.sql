SELECT coalesce(w.state, f.note) AS "State", w.meter AS "Meter", w.device AS "Device", w.told_at AS "Told last", w.detail AS "Why",
       CASE WHEN w.meter IN (
{volume_meters}
       ) THEN 'wattline-volume' ELSE 'wattline-meter' END AS "Board"
FROM (VALUES ('no meter waits')) f (note)
LEFT JOIN (
    SELECT state, meter, device, told_at, detail
    FROM meter_secret_wanted
    WHERE device IN (${device:sqlstring})
    ORDER BY told_at DESC NULLS LAST, meter
    LIMIT 100
) w ON true
ORDER BY w.told_at DESC NULLS LAST, w.meter
