-- Meters ($2) that boot $3 of device $1 removed though another agent still sees them, each with the stay that took its point.
SELECT o.id AS old_id, m.key AS old_meter, n.id AS new_id, x.key AS new_meter, p.port, p.channel
FROM meter_stay o
JOIN meter m ON m.id = o.meter_id
JOIN point p ON p.id = o.point_id
JOIN meter_stay n ON n.point_id = o.point_id AND n.removed_at IS NULL AND n.opened_by = $3
JOIN meter x ON x.id = n.meter_id
WHERE p.device_id = $1 AND m.key = ANY($2::text[]) AND o.closed_by = $3
  AND o.id = (SELECT max(id) FROM meter_stay WHERE meter_id = m.id)
ORDER BY p.port, p.channel
