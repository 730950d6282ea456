SELECT id, broker, origin, name, topics, document, detail, state, source, decided_by, decided_at, first_at, last_at
FROM source_proposal
WHERE id = $1
FOR UPDATE
