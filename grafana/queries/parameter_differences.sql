SELECT device AS "Device", parameter AS "Parameter", desired AS "Desired", reported AS "Reported",
       desired_version AS "Desired version", reported_version AS "Reported version"
FROM parameter_state
WHERE device IN (${device:sqlstring}) AND desired IS DISTINCT FROM reported
ORDER BY device, parameter
LIMIT 500
