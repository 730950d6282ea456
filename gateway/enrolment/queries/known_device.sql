-- The newest login is the one with the highest number; one that was made by hand at the broker may have any name. Where it was given to a machine says the enrolment that gave it.
WITH login AS (
    SELECT identity, revoked_at,
           CASE WHEN identity = device THEN 1 ELSE coalesce(substring(identity FROM '^[^~]+~([1-9][0-9]{0,5})$')::int, 0) END AS number
    FROM credential WHERE device = $1
),
newest AS (SELECT identity FROM login ORDER BY number DESC, identity LIMIT 1),
given AS (
    SELECT e.hardware, c.site FROM enrolment e LEFT JOIN claim c ON c.name = e.claim
    WHERE e.identity = (SELECT identity FROM newest)
    ORDER BY e.id DESC LIMIT 1
)
SELECT coalesce((SELECT registered_at IS NOT NULL FROM device WHERE name = $1), false) AS registered,
       (SELECT last_seen_at FROM device WHERE name = $1 AND online) AS seen_at,
       (SELECT identity FROM newest) AS identity,
       EXISTS (SELECT FROM login WHERE revoked_at IS NULL) AS live,
       (SELECT hardware FROM given) AS hardware,
       (SELECT site FROM given) AS site,
       coalesce((SELECT max(number) FROM login), 0) AS identities,
       EXISTS (SELECT FROM enrolment WHERE device = $1 AND state = 'waiting' AND claim IS NULL) AS disputed
