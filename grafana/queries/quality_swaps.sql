SELECT s.at AS "Swapped", s.device AS "Device", coalesce(s.point, 'no meter was swapped in this range') AS "Point",
       s.old_meter AS "Old meter", s.new_meter AS "New meter",
       (SELECT string_agg(concat_ws(' ', r ->> 'obis', r ->> 'value', r ->> 'unit'), ', ') FROM jsonb_array_elements(s.closing) r)
           AS "Closing registers",
       (SELECT string_agg(concat_ws(' ', r ->> 'obis', r ->> 'value', r ->> 'unit'), ', ') FROM jsonb_array_elements(s.opening) r)
           AS "Opening registers",
       CASE WHEN s.new_meter IN (
{volume_meters}
       ) THEN 'wattline-volume' ELSE 'wattline-meter' END AS "Board"
FROM (VALUES (true)) f
LEFT JOIN (
    SELECT at, device, point, old_meter, new_meter, closing, opening
    FROM meter_swap
    WHERE $__timeFilter(at) AND device IN (${device:sqlstring})
    ORDER BY at DESC
    LIMIT 100
) s ON true
ORDER BY s.at DESC
