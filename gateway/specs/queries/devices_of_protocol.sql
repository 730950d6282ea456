SELECT DISTINCT device_id AS id FROM meter
WHERE removed_at IS NULL AND device_id IS NOT NULL AND protocol = $1
ORDER BY device_id
