SELECT v.device, v.online, v.first_seen_at, v.last_seen_at, v.registered_at, v.software, v.meters AS meter_count, v.desired_version,
       v.reported_version, v.reported_state, coalesce(l.labels, '{}')::text AS labels
FROM device_overview v
LEFT JOIN device_labels l ON l.device_id = v.device_id
WHERE v.device > $1 AND ($2::boolean IS NULL OR coalesce(v.online, false) = $2)
      AND ($4::text[] IS NULL OR v.device = ANY($4::text[]))
ORDER BY v.device
LIMIT $3
