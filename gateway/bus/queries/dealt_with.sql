SELECT d.name AS device, d.registered_at, r.received_at AS reported_at
FROM device d LEFT JOIN reported r ON r.device_id = d.id
WHERE d.name = ANY ($1::text[])
