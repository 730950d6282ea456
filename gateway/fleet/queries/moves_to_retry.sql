SELECT v.id, m.key AS meter, d.name AS device,
       EXISTS (SELECT FROM frame f WHERE f.device_id = v.to_device_id AND f.meter_id = v.meter_id AND f.kind = 'payload'
                                         AND f.reason = 'foreign_meter' AND f.resolved_at IS NULL AND f.topic NOT LIKE 'jobs/%') AS kept
FROM meter_move v
JOIN meter m ON m.id = v.meter_id
JOIN device d ON d.id = v.to_device_id
WHERE v.retry_at <= now()
ORDER BY v.retry_at
LIMIT $1
