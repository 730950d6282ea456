-- Have payloads that gave nothing, or not all, wait again where a newer version than they were tried by is in force: $1 at most a source.
UPDATE payload SET state = 'waiting'
WHERE id IN (
    SELECT u.id
    FROM source s
    CROSS JOIN LATERAL (
        SELECT p.id
        FROM payload p
        WHERE p.source = s.name AND p.version < s.version AND p.body IS NOT NULL
              AND (p.state = 'unmapped' OR p.state = 'mapped' AND p.reason IS NOT NULL)
        ORDER BY p.version, p.id
        LIMIT $1
        FOR UPDATE SKIP LOCKED
    ) u
    WHERE s.enabled AND s.version IS NOT NULL
)
