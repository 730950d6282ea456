-- Have what gave nothing, or not all, wait again: payload $2, or all of the source, $3 at most.
UPDATE payload SET state = 'waiting'
WHERE id IN (
    SELECT id FROM payload
    WHERE source = $1 AND ($2::bigint IS NULL OR id = $2) AND body IS NOT NULL
          AND (state = 'unmapped' OR state = 'mapped' AND reason IS NOT NULL)
    ORDER BY id
    LIMIT $3
    FOR UPDATE SKIP LOCKED
)
