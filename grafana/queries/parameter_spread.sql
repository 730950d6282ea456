SELECT coalesce(p.parameter, 'no device has reported yet') AS "Parameter", p.value AS "Value", p.devices AS "Devices"
FROM (VALUES (true)) f
LEFT JOIN (
    SELECT parameter, coalesce(reported, 'unset') AS value, count(*) AS devices
    FROM parameter_state
    WHERE device IN (${device:sqlstring}) AND reported_at IS NOT NULL
    GROUP BY 1, 2
    ORDER BY 1, 3 DESC
    LIMIT 200
) p ON true
ORDER BY 1, 3 DESC
