UPDATE device
SET last_seen_at = s.at
FROM unnest($1::integer[], $2::timestamptz[]) AS s (id, at)
WHERE device.id = s.id AND (device.last_seen_at IS NULL OR device.last_seen_at < s.at)
