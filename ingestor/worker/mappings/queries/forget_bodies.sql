-- $1 since when bodies of mapped payloads are kept, $2 how many go at most.
UPDATE payload SET body = NULL
WHERE id IN (
    SELECT id FROM payload
    WHERE state = 'mapped' AND reason IS NULL AND body IS NOT NULL AND mapped_at < $1
    ORDER BY mapped_at
    LIMIT $2
    FOR UPDATE SKIP LOCKED
)
