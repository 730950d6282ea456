SELECT d.id FROM device d LEFT JOIN desired t ON t.device_id = d.id
WHERE d.registered_at IS NOT NULL OR t.device_id IS NOT NULL
ORDER BY d.id
