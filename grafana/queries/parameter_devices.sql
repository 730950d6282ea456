SELECT device AS "Device", desired_version AS "Desired", reported_version AS "Reported",
       CASE WHEN desired_version IS NULL THEN 'none' WHEN reported_version IS DISTINCT FROM desired_version THEN 'behind'
            ELSE reported_state END AS "State",
       reported_at AS "Reported at", CASE WHEN online THEN 1 ELSE 0 END AS "Online", software AS "Software"
FROM device_overview
WHERE device IN (${device:sqlstring})
ORDER BY CASE WHEN reported_version IS DISTINCT FROM desired_version THEN 0 WHEN reported_state <> 'applied' THEN 1 ELSE 2 END,
         device
