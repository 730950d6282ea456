SELECT coalesce(s.device, 'no device is behind') AS "Device", s.running AS "Runs", s.desired AS "To run", s.standing AS "State",
       s.since AS "Since", s.reasons AS "Reason", s.author AS "Author"
FROM (VALUES (true)) f
LEFT JOIN (
    SELECT device, running, desired, standing, CASE WHEN standing <> 'unreported' THEN since END AS since, author,
           CASE WHEN standing <> 'unreported' THEN (
               SELECT string_agg(concat_ws(': ', x.reason ->> 'field', x.reason ->> 'reason'), '; ')
               FROM jsonb_array_elements(reasons) x(reason)) END AS reasons
    FROM software_state
    WHERE device IN (${device:sqlstring}) AND standing <> 'confirmed'
    ORDER BY array_position(ARRAY['rolled_back', 'refused', 'trial', 'waiting', 'fetching', 'unreported'], standing), device
    LIMIT 500
) s ON true
ORDER BY array_position(ARRAY['rolled_back', 'refused', 'trial', 'waiting', 'fetching', 'unreported'], s.standing), s.device
