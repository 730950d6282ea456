UPDATE source_proposal
SET state = $2, source = $3, decided_by = $4, decided_at = now()
WHERE id = $1
