UPDATE claim SET revoked_at = now(), revoked_by = $2
WHERE name = $1 AND revoked_at IS NULL
RETURNING name, site, uses, used, until, approval, author, created_at, revoked_at, revoked_by,
          (SELECT count(*)::int FROM enrolment e WHERE e.claim = claim.name AND e.state = 'waiting') AS waiting
