-- With its event where this time gave no job.
WITH noted AS (
    UPDATE job_schedule s
    SET last_at = s.next_at, next_at = $2, last_job = coalesce($3, s.last_job), error = $4
    WHERE s.name = $1
    RETURNING s.*
)
INSERT INTO event (received_at, at, source, event, severity, detail)
SELECT now(), now(), 'ingestor', 'job_schedule_failed', 'error',
       jsonb_build_object('schedule', n.name, 'kind', n.kind, 'due', n.last_at, 'error', n.error)
FROM noted n
WHERE n.error IS NOT NULL
