WITH taken AS (
    DELETE FROM notice_event
    WHERE id IN (SELECT id FROM notice_event ORDER BY id LIMIT $1)
    RETURNING *
)
SELECT t.id, t.at, d.name AS device, m.key AS meter, t.event, t.severity, t.detail
FROM taken t
LEFT JOIN device d ON d.id = t.device_id
LEFT JOIN meter m ON m.id = t.meter_id
ORDER BY t.id
