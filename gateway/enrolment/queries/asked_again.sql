UPDATE enrolment SET last_asked_at = now(), address = $2, reason = $3 WHERE id = $1
