SELECT h.id, h.received_at, h.version, h.state, h.release, h.running, h.reasons, h.octets, h.seconds, h.at
FROM software_history h JOIN device d ON d.id = h.device_id
WHERE d.name = $1 AND h.id < $2
ORDER BY h.id DESC
LIMIT $3
