SELECT o.device AS "Device", o.desired_version AS "Desired", o.reported_version AS "Reported",
       CASE WHEN o.device IS NULL THEN 'no device yet' ELSE coalesce(c.standing, 'none') END AS "State",
       o.reported_at AS "Reported at", CASE WHEN o.online THEN 1 WHEN o.device IS NOT NULL THEN 0 END AS "Online", o.software AS "Software"
FROM (VALUES (true)) f
LEFT JOIN device_overview o ON o.device IN (${device:sqlstring})
LEFT JOIN config_state c ON c.device = o.device
ORDER BY array_position(ARRAY['reverted', 'refused', 'never_confirmed', 'waiting', 'on_probation'], c.standing), o.device
