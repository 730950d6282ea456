SELECT device AS "Device", version AS "Version", state AS "State", at AS "At", field AS "Field", reason AS "Reason"
FROM parameter_refusal
WHERE device IN (${device:sqlstring})
ORDER BY at DESC
LIMIT 200
