SELECT parameter AS "Parameter", coalesce(reported, 'unset') AS "Value", count(*) AS "Devices"
FROM parameter_state
WHERE device IN (${device:sqlstring}) AND reported_at IS NOT NULL
GROUP BY 1, 2
ORDER BY 1, 3 DESC
LIMIT 200
