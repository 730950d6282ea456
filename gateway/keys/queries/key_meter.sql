SELECT m.id, m.key, m.device_id, d.name AS device, x.spec
FROM meter m
LEFT JOIN device d ON d.id = m.device_id
LEFT JOIN meter_spec x ON x.meter_id = m.id
WHERE m.key = $1
