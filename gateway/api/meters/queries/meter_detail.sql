SELECT m.id, m.key AS meter, d.name AS device, p.key AS parent, m.manufacturer, m.product, m.serial, m.firmware,
       m.protocol, m.port, m.spec, m.installed_at, m.removed_at, m.facts,
       s.document #>> '{link,dlms,authentication}' AS authentication, s.document #>> '{decode,key_ref}' AS key_ref,
       s.document #>> '{history,password_ref}' AS password_ref
FROM meter m
LEFT JOIN device d ON d.id = m.device_id
LEFT JOIN meter p ON p.id = m.parent_id
LEFT JOIN spec s ON s.name || '@' || s.version = m.spec
WHERE m.key = $1
