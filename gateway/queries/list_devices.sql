SELECT device, online, first_seen_at, last_seen_at, registered_at, software, meters AS meter_count, desired_version, reported_version,
       reported_state
FROM device_overview
WHERE device > $1 AND ($2::boolean IS NULL OR coalesce(online, false) = $2)
ORDER BY device
LIMIT $3
