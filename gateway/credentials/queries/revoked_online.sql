-- As far as is known: one that is told of twice is offline all the same.
SELECT d.name AS device, d.boot, coalesce(d.software, '') AS software
FROM device d
WHERE d.online AND d.boot IS NOT NULL
      AND EXISTS (SELECT FROM credential c WHERE c.device = d.name)
      AND NOT EXISTS (SELECT FROM credential c WHERE c.device = d.name AND c.revoked_at IS NULL)
ORDER BY d.name
LIMIT 1000
