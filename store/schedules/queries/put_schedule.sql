INSERT INTO job_schedule (name, kind, arguments, cron, zone, enabled, author, reason, next_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (name) DO UPDATE
SET (kind, arguments, cron, zone, enabled, author, reason, next_at, changed_at, error) =
    (excluded.kind, excluded.arguments, excluded.cron, excluded.zone, excluded.enabled, excluded.author, excluded.reason,
     excluded.next_at, now(), NULL)
RETURNING xmax = 0 AS new
