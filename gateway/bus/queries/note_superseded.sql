INSERT INTO desired_history (device_id, version, hash, document, author, published_at)
VALUES ($1, $2, $3, $4, $5, now())
ON CONFLICT (device_id, version) DO NOTHING
