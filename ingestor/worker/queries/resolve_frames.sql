UPDATE frame SET resolved_at = now()
WHERE id = ANY ($1::bigint[]) AND received_at BETWEEN $2 AND $3 AND resolved_at IS NULL
