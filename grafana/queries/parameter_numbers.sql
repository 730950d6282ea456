SELECT count(*) FILTER (WHERE c.standing = 'confirmed') AS "In step",
       count(*) FILTER (WHERE c.standing = 'waiting') AS "Behind",
       count(*) FILTER (WHERE c.standing = 'on_probation') AS "On probation",
       count(*) FILTER (WHERE c.standing = 'never_confirmed') AS "Never confirmed",
       count(*) FILTER (WHERE c.standing = 'refused') AS "Refused",
       count(*) FILTER (WHERE c.standing = 'reverted') AS "Reverted",
       count(*) FILTER (WHERE c.standing IS NULL) AS "Without any"
FROM device_overview o
LEFT JOIN config_state c ON c.device = o.device
WHERE o.device IN (${device:sqlstring})
