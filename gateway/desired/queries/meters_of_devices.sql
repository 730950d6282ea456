SELECT m.id, m.device_id, m.key, p.key AS parent, m.manufacturer, m.product, m.serial, m.firmware, m.protocol, m.port,
       m.facts, m.removed_at
FROM meter m
LEFT JOIN meter p ON p.id = m.parent_id
WHERE m.removed_at IS NULL AND m.device_id = ANY($1::int[])
ORDER BY m.device_id, m.key
