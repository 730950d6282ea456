SELECT m.key AS meter, d.name AS device, m.facts ->> 'key_state' AS said
FROM meter m
LEFT JOIN device d ON d.id = m.device_id
WHERE m.removed_at IS NULL AND m.facts ->> 'key_state' IN ('missing', 'wrong')
ORDER BY m.key
LIMIT 1000
