SELECT r.specs ->> coalesce(p.key, m.key)
FROM meter m
LEFT JOIN meter p ON p.id = m.parent_id
JOIN reported r ON r.device_id = m.device_id
WHERE m.id = $1
