SELECT m.key, p.id, p.device_id, p.port, p.channel, p.slot
FROM meter_stay s
JOIN meter m ON m.id = s.meter_id
JOIN point p ON p.id = s.point_id
WHERE s.removed_at IS NULL AND m.key = ANY($1::text[])
