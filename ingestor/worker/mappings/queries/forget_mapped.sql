-- Rows of payloads that gave all before $1, and of those that gave a part before $2: $3 at most.
DELETE FROM payload
WHERE id IN (
    SELECT id FROM payload
    WHERE state = 'mapped' AND mapped_at < $1 AND (reason IS NULL OR mapped_at < $2)
    ORDER BY mapped_at
    LIMIT $3
    FOR UPDATE SKIP LOCKED
)
