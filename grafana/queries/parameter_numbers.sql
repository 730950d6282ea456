SELECT count(*) FILTER (WHERE reported_state = 'applied' AND reported_version = desired_version) AS "In step",
       count(*) FILTER (WHERE desired_version IS NOT NULL AND reported_version IS DISTINCT FROM desired_version) AS "Behind",
       count(*) FILTER (WHERE reported_state = 'refused' AND reported_version = desired_version) AS "Refused",
       count(*) FILTER (WHERE reported_state = 'reverted' AND reported_version = desired_version) AS "Reverted",
       count(*) FILTER (WHERE desired_version IS NULL) AS "Without any"
FROM device_overview
WHERE device IN (${device:sqlstring})
