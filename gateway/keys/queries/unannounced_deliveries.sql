SELECT v.device_id, d.name AS device, v.version, v.payload
FROM key_delivery v
JOIN device d ON d.id = v.device_id
WHERE v.announced IS DISTINCT FROM v.version
ORDER BY v.device_id
LIMIT 200
