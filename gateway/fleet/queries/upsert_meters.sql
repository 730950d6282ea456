-- $1 device, $2 when; $3 keys, $4 parents, $5 manufacturers, $6 products, $7 serials, $8 firmware, $9 protocols, $10 ports and $11 facts as JSON
-- beside one another. In one statement, for engineers wait for the lock under which it runs; those behind others come after them.
INSERT INTO meter (key, device_id, parent_id, manufacturer, product, serial, firmware, protocol, port, facts, installed_at)
SELECT m.key, $1, (SELECT id FROM meter WHERE key = m.parent), m.manufacturer, m.product, m.serial, m.firmware, m.protocol, m.port,
       m.facts::jsonb, $2
FROM unnest($3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[])
     WITH ORDINALITY AS m (key, parent, manufacturer, product, serial, firmware, protocol, port, facts, place)
ORDER BY m.place
ON CONFLICT (key) DO UPDATE
SET device_id = excluded.device_id, parent_id = excluded.parent_id, manufacturer = excluded.manufacturer,
    product = excluded.product, serial = excluded.serial, firmware = excluded.firmware, protocol = excluded.protocol,
    port = excluded.port, facts = excluded.facts, removed_at = NULL,
    installed_at = CASE
        WHEN meter.removed_at IS NOT NULL OR meter.device_id IS DISTINCT FROM excluded.device_id
             OR meter.installed_at IS NULL
        THEN excluded.installed_at ELSE meter.installed_at END
