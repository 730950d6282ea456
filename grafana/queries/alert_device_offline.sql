SELECT device, extract(epoch FROM now() - coalesce(status_at, last_seen_at, first_seen_at))::double precision AS value
FROM device_overview
WHERE online IS FALSE AND NOT revoked
