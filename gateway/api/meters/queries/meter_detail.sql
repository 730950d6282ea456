SELECT m.id, m.key AS meter, d.name AS device, p.key AS parent, m.manufacturer, m.product, m.serial, m.firmware,
       m.protocol, m.port, m.spec, m.installed_at, m.removed_at, m.facts
FROM meter m
LEFT JOIN device d ON d.id = m.device_id
LEFT JOIN meter p ON p.id = m.parent_id
WHERE m.key = $1
