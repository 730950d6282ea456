SELECT CASE WHEN s.devices IS NULL THEN 'no device yet' ELSE coalesce(s.running, 'not known') END AS "Runs",
       CASE WHEN s.devices IS NOT NULL THEN coalesce(s.desired, 'as it is') END AS "To run", s.standing AS "State",
       s.devices AS "Devices"
FROM (VALUES (true)) f
LEFT JOIN (
    SELECT running, desired, standing, count(*) AS devices
    FROM software_state
    WHERE device IN (${device:sqlstring})
    GROUP BY running, desired, standing
) s ON true
ORDER BY s.devices DESC, s.running, s.desired, s.standing
