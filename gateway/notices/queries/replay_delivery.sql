UPDATE notice_delivery SET state = 'waiting', tries_left = $2, taken_until = NULL, changed_at = now()
WHERE id = $1 AND state = 'dead'
