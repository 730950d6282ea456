-- Of the claim by which it came last. Whoever has labels, or had some that a person took away, keeps them as they are.
SELECT c.site, c.name AS claim
FROM enrolment e
JOIN claim c ON c.name = e.claim
JOIN credential k ON k.identity = e.identity
WHERE e.device = $1 AND k.revoked_at IS NULL AND c.site IS NOT NULL
      AND NOT EXISTS (SELECT FROM device_labels l JOIN device d ON d.id = l.device_id WHERE d.name = $1)
ORDER BY e.id DESC
LIMIT 1
