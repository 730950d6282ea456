-- Nothing where $9 of the kind wait or run, or where there is one of its key.
INSERT INTO job (kind, arguments, author, reason, key, priority, not_before, schedule)
SELECT $1, $2, $3, $4, $5, $6, $7, $8
WHERE (SELECT count(*) FROM job WHERE kind = $1 AND state IN ('queued', 'running')) < $9
ON CONFLICT (kind, key) WHERE key IS NOT NULL DO NOTHING
RETURNING id
