SELECT p.id, p.port, p.channel, p.slot, m.key AS occupant, o.key AS last, o.removed_at AS vacated_at
FROM point p
LEFT JOIN meter_stay s ON s.point_id = p.id AND s.removed_at IS NULL
LEFT JOIN meter m ON m.id = s.meter_id
LEFT JOIN LATERAL (
    SELECT x.key, e.removed_at
    FROM meter_stay e JOIN meter x ON x.id = e.meter_id
    WHERE e.point_id = p.id AND e.removed_at IS NOT NULL
    ORDER BY e.installed_at DESC, e.id DESC
    LIMIT 1
) o ON true
WHERE p.device_id = $1 AND p.port = ANY($2::text[])
ORDER BY p.slot, p.channel
