SELECT created_at AS "Sent", device AS "Device", command AS "Command", author AS "Author", state AS "State",
       answer_s AS "Answer after", error AS "Error", reason AS "Reason"
FROM command_log
WHERE $__timeFilter(created_at) AND device IN (${device:sqlstring})
ORDER BY created_at DESC
LIMIT 200
