SELECT u.device AS "Device", u.meter AS "Meter", u.protocol AS "Protocol",
       CASE WHEN u.meter IS NOT NULL THEN u.says WHEN EXISTS (SELECT FROM meter_overview) THEN 'every meter has its spec'
            ELSE 'no meter yet' END AS "Says it is",
       u.spec AS "Read by", u.frames AS "Frames kept", u.last_frame_at AS "Last frame",
       CASE WHEN u.meter IN (
{volume_meters}
       ) THEN 'wattline-volume' ELSE 'wattline-meter' END AS "Board"
FROM (VALUES (true)) f
LEFT JOIN (
    SELECT device, meter, protocol, concat_ws(' ', manufacturer, product) AS says, spec, frames, last_frame_at
    FROM unknown_meter
    WHERE device IN (${device:sqlstring})
    ORDER BY frames DESC, meter
    LIMIT 100
) u ON true
ORDER BY u.frames DESC, u.meter
