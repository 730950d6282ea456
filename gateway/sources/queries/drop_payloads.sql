-- Drop unmapped payload $2 of a source, or all of them, $3 at most.
DELETE FROM payload
WHERE id IN (
    SELECT id FROM payload
    WHERE source = $1 AND ($2::bigint IS NULL OR id = $2) AND state = 'unmapped'
    ORDER BY id
    LIMIT $3
    FOR UPDATE SKIP LOCKED
)
