SELECT o.device AS "Device", o.desired_version AS "Desired", o.reported_version AS "Reported",
       CASE WHEN o.device IS NULL THEN 'no device yet' WHEN o.desired_version IS NULL THEN 'none'
            WHEN o.reported_version IS DISTINCT FROM o.desired_version THEN 'behind' ELSE o.reported_state END AS "State",
       o.reported_at AS "Reported at", CASE WHEN o.online THEN 1 WHEN o.device IS NOT NULL THEN 0 END AS "Online", o.software AS "Software"
FROM (VALUES (true)) f
LEFT JOIN device_overview o ON o.device IN (${device:sqlstring})
ORDER BY CASE WHEN o.reported_version IS DISTINCT FROM o.desired_version THEN 0 WHEN o.reported_state <> 'applied' THEN 1 ELSE 2 END,
         o.device
