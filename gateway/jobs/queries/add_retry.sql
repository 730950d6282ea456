-- None where $5 jobs wait already.
INSERT INTO job (kind, spec, selection, since, automatic, author, reason)
SELECT 'retry', 'quarantine', $1, $2, false, $3, $4
WHERE (SELECT count(*) FROM job WHERE kind = 'retry' AND state IN ('queued', 'running')) < $5
RETURNING id
