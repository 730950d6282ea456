-- Meters of a protocol that are gone, and of which frames are kept.
SELECT m.id, m.key, m.device_id, NULL AS parent, m.manufacturer, m.product, m.serial, m.firmware, m.protocol, m.port,
       m.facts, m.removed_at
FROM meter m
WHERE m.removed_at IS NOT NULL AND m.parent_id IS NULL AND m.protocol = $1
  AND EXISTS (SELECT FROM frame f WHERE f.kind = 'frame' AND f.meter_id = m.id)
ORDER BY m.removed_at DESC
LIMIT 1000
