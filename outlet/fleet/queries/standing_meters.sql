SELECT m.id, m.key, m.manufacturer, m.product, m.serial, m.firmware, m.spec, m.installed_at, o.key AS parent,
       d.name AS device, d.online, d.software, d.registration -> 'hardware' ->> 'model' AS hardware,
       p.name AS point, p.name IS DISTINCT FROM point_name(pd.name, p.port, p.channel, p.slot) AS renamed,
       m.facts ->> 'device_type' AS device_type
FROM meter m
LEFT JOIN meter o ON o.id = m.parent_id AND o.removed_at IS NULL
LEFT JOIN device d ON d.id = m.device_id
LEFT JOIN point p ON p.id = m.point_id
LEFT JOIN device pd ON pd.id = p.device_id
WHERE m.removed_at IS NULL
ORDER BY m.id
LIMIT $1
