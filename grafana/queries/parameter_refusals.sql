SELECT r.device AS "Device", r.version AS "Version", r.state AS "State", r.at AS "At", r.field AS "Field",
       CASE WHEN r.device IS NOT NULL THEN r.reason WHEN EXISTS (SELECT FROM device_overview WHERE reported_at IS NOT NULL)
            THEN 'nothing is refused or reverted' ELSE 'no device has reported yet' END AS "Reason"
FROM (VALUES (true)) f
LEFT JOIN (
    SELECT device, version, state, at, field, reason
    FROM parameter_refusal
    WHERE device IN (${device:sqlstring})
    ORDER BY at DESC
    LIMIT 200
) r ON true
ORDER BY r.at DESC
