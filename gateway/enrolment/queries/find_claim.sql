SELECT name, sha256, site, uses, used, until, approval, revoked_at,
       (SELECT count(*)::int FROM enrolment e WHERE e.claim = claim.name AND e.state = 'waiting') AS waiting
FROM claim WHERE name = $1
