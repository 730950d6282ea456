SELECT name, site, uses, used, until, approval, author, created_at, revoked_at, revoked_by,
       (SELECT count(*)::int FROM enrolment e WHERE e.claim = claim.name AND e.state = 'waiting') AS waiting
FROM claim
WHERE name > $1 AND ($2 OR revoked_at IS NULL)
ORDER BY name
LIMIT $3
