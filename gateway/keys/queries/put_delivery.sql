INSERT INTO key_delivery (device_id, version, content, recipient, payload, meters) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (device_id) DO UPDATE SET version = EXCLUDED.version, content = EXCLUDED.content,
    recipient = EXCLUDED.recipient, payload = EXCLUDED.payload, meters = EXCLUDED.meters, sealed_at = now(), announced = NULL
