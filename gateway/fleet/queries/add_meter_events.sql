INSERT INTO event (received_at, at, device_id, meter_id, source, event, severity, detail)
SELECT now(), now(), $1, m.id, 'gateway', $2, $4, $5
FROM unnest($3::text[]) WITH ORDINALITY AS w (key, place)
LEFT JOIN meter m ON m.key = w.key
ORDER BY w.place
