SELECT id, broker, origin, name, topics, document, detail, state, source, decided_by, decided_at, first_at, last_at
FROM source_proposal
WHERE ($1::text IS NULL OR state = $1) AND ($2::bigint IS NULL OR id = $2)
ORDER BY id DESC
LIMIT $3
