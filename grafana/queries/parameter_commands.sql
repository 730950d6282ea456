SELECT c.created_at AS "Sent", c.device AS "Device", coalesce(c.command, 'no command in this range') AS "Command", c.author AS "Author",
       c.state AS "State", c.answer_s AS "Answer after", c.error AS "Error", c.reason AS "Reason"
FROM (VALUES (true)) f
LEFT JOIN (
    SELECT created_at, device, command, author, state, answer_s, error, reason
    FROM command_log
    WHERE $__timeFilter(created_at) AND device IN (${device:sqlstring})
    ORDER BY created_at DESC
    LIMIT 200
) c ON true
ORDER BY c.created_at DESC
