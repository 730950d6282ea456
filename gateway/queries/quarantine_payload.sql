-- A retained payload comes again on each connection: it is entered once in a week.
INSERT INTO frame (received_at, device_id, topic, kind, reason, detail, data, delivery)
SELECT now(), (SELECT id FROM device WHERE name = $1), $2, 'payload', $3, $4, $5, $6
WHERE NOT EXISTS (SELECT FROM frame WHERE delivery = $6 AND received_at > now() - INTERVAL '7 days')
RETURNING id
