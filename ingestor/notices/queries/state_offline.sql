SELECT device AS subject, device, NULL::text AS meter, coalesce(status_at, last_seen_at, first_seen_at) AS since,
       NULL::float8 AS value, '' AS detail
FROM device_overview
WHERE online IS FALSE AND NOT revoked AND coalesce(status_at, last_seen_at, first_seen_at) <= now() - $1::interval
