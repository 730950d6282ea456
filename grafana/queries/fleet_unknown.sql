SELECT device AS "Device", meter AS "Meter", protocol AS "Protocol", concat_ws(' ', manufacturer, product) AS "Says it is",
       spec AS "Read by", frames AS "Frames kept", last_frame_at AS "Last frame"
FROM unknown_meter
WHERE device IN (${device:sqlstring})
ORDER BY frames DESC, meter
LIMIT 100
