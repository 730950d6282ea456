-- What a rule could tell now: what has begun, what is over, and what still lasts so long ($2) after it was told; $3 of each.
WITH found AS (
    SELECT f.*, CASE WHEN over_at IS NOT NULL THEN 'over' WHEN told_at IS NULL THEN 'begun' ELSE 'still' END AS phase
    FROM notice_found f
    WHERE rule = $1 AND (told_at IS NULL OR over_at IS NOT NULL OR told_at < now() - $2::interval)
), placed AS (
    SELECT f.*, row_number() OVER (PARTITION BY phase ORDER BY found_at, since, subject) AS place,
           count(*) OVER (PARTITION BY phase) AS total,
           min(coalesce(over_at, found_at)) OVER (PARTITION BY phase) AS oldest_at
    FROM found f
)
SELECT phase, total, oldest_at, subject, device, meter, severity, since, value, detail
FROM placed
WHERE place <= $3
ORDER BY phase, place
