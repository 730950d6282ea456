SELECT waiting_pid, coalesce(waiting, '') AS waiting, waiting_statement, coalesce(waited_s, 0) AS waited_s, blocking_pid,
       blocking, blocking_state, blocking_statement, blocking_client, silent_s
FROM store_block
ORDER BY waited_s DESC
LIMIT 20
