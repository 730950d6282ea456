-- None where $6 jobs wait already.
INSERT INTO job (spec, since, automatic, author, reason)
SELECT $1, $2, $3, $4, $5
WHERE (SELECT count(*) FROM job WHERE kind = 'redecode' AND state IN ('queued', 'running')) < $6
RETURNING id
