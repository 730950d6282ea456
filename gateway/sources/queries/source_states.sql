SELECT s.name, s.kind, s.version, s.enabled, d.name AS device, s.settings, s.secret IS NOT NULL AS has_secret, s.created_by, s.created_at,
       s.changed_at, d.last_seen_at, (SELECT count(*) FROM meter m WHERE m.device_id = s.device_id AND m.removed_at IS NULL) AS meters,
       (SELECT count(*) FROM payload p WHERE p.source = s.name AND p.state = 'waiting') AS waiting,
       (SELECT count(*) FROM payload p WHERE p.source = s.name AND p.state = 'unmapped') AS unmapped
FROM source s
JOIN device d ON d.id = s.device_id
WHERE $1::text IS NULL OR s.name = $1
ORDER BY s.name
