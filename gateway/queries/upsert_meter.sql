INSERT INTO meter (key, device_id, parent_id, manufacturer, product, serial, firmware, protocol, port, facts, installed_at)
VALUES ($1, $2, (SELECT id FROM meter WHERE key = $3), $4, $5, $6, $7, $8, $9, $10::text::jsonb, $11)
ON CONFLICT (key) DO UPDATE
SET device_id = excluded.device_id, parent_id = excluded.parent_id, manufacturer = excluded.manufacturer,
    product = excluded.product, serial = excluded.serial, firmware = excluded.firmware, protocol = excluded.protocol,
    port = excluded.port, facts = excluded.facts, removed_at = NULL,
    installed_at = CASE
        WHEN meter.removed_at IS NOT NULL OR meter.device_id IS DISTINCT FROM excluded.device_id
             OR meter.installed_at IS NULL
        THEN excluded.installed_at ELSE meter.installed_at END
