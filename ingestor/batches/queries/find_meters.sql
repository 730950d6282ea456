SELECT id, key, device_id FROM meter WHERE key = ANY ($1::text[])
