SELECT m.id, m.key, m.device_id, p.key AS parent, m.manufacturer, m.product, m.serial, m.firmware, m.protocol, m.port,
       m.facts, m.removed_at
FROM meter m
LEFT JOIN meter p ON p.id = m.parent_id
WHERE m.key = ANY($1::text[])
