UPDATE enrolment SET state = $2, identity = $3, decided_at = now(), decided_by = $4, reason = $5
WHERE id = $1 AND state = 'waiting'
