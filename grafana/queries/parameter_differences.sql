SELECT p.device AS "Device",
       CASE WHEN p.parameter IS NOT NULL THEN p.parameter WHEN EXISTS (SELECT FROM parameter_state WHERE reported_at IS NOT NULL)
            THEN 'every device holds what it should' ELSE 'no device has reported yet' END AS "Parameter",
       p.desired AS "Desired", p.reported AS "Reported", p.desired_version AS "Wanted", p.reported_version AS "Held"
FROM (VALUES (true)) f
LEFT JOIN (
    SELECT device, parameter, desired, reported, desired_version, reported_version
    FROM parameter_state
    WHERE device IN (${device:sqlstring}) AND desired IS DISTINCT FROM reported
    ORDER BY device, parameter
    LIMIT 500
) p ON true
ORDER BY p.device, p.parameter
