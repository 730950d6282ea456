SELECT count(*) FILTER (WHERE online) AS "Online", count(*) FILTER (WHERE NOT coalesce(online, false)) AS "Offline",
       count(*) FILTER (WHERE registered_at >= date_trunc('day', now(), store_zone())) AS "Registered today"
FROM device_overview
WHERE device NOT LIKE 'source-%' AND device IN (${device:sqlstring})
