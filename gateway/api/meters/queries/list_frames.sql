SELECT received_at, id, at, reason, detail, port, protocol, data
FROM frame
WHERE meter_id = $1 AND kind = 'frame' AND (received_at, id) < ($2, $3)
ORDER BY received_at DESC, id DESC
LIMIT $4
