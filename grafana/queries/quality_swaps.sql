SELECT at AS "Swapped", device AS "Device", point AS "Point", old_meter AS "Old meter", new_meter AS "New meter",
       (SELECT string_agg(concat_ws(' ', r ->> 'obis', r ->> 'value', r ->> 'unit'), ', ') FROM jsonb_array_elements(closing) r)
           AS "Closing registers",
       (SELECT string_agg(concat_ws(' ', r ->> 'obis', r ->> 'value', r ->> 'unit'), ', ') FROM jsonb_array_elements(opening) r)
           AS "Opening registers"
FROM meter_swap
WHERE $__timeFilter(at) AND device IN (${device:sqlstring})
ORDER BY at DESC
LIMIT 100
