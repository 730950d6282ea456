SELECT count(*) FILTER (WHERE online) AS "Online", count(*) FILTER (WHERE registered_at IS NOT NULL) AS "Registered"
FROM device_overview
WHERE device IN ($device)
