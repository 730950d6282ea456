-- The end of a job, with its event; nothing where somebody else holds it by now.
WITH ended AS (
    UPDATE job
    SET state = $3, error = $4, result = $5, worker = NULL, finished_at = clock_timestamp(), changed_at = clock_timestamp(),
        failures = failures + CASE WHEN $3 = 'failed' THEN 1 ELSE 0 END,
        total_frames = CASE WHEN $3 = 'done' THEN frames ELSE total_frames END,
        total = CASE WHEN $3 = 'done' AND total IS NOT NULL THEN done ELSE total END
    WHERE id = $1 AND worker = $2 AND state = 'running'
    RETURNING *
), told AS (
    INSERT INTO event (received_at, at, source, event, severity, detail)
    SELECT now(), now(), 'ingestor',
           CASE e.kind WHEN 'retry' THEN 'quarantine_retry_' WHEN 'redecode' THEN 'redecoding_' ELSE 'job_' END || e.state,
           CASE e.state WHEN 'failed' THEN 'error' WHEN 'cancelled' THEN 'warning' ELSE 'info' END,
           jsonb_strip_nulls(CASE WHEN e.kind IN ('retry', 'redecode')
               THEN jsonb_build_object('job', e.id, 'selection', e.selection, 'spec', e.spec, 'author', e.author, 'frames', e.frames,
                        'undecodable', e.undecodable, 'readings', e.readings, 'repeated', e.repeated, 'refused', e.refused,
                        'note', e.note, 'error', e.error)
               ELSE jsonb_build_object('job', e.id, 'kind', e.kind, 'author', e.author, 'schedule', e.schedule, 'note', e.note,
                        'failures', e.failures, 'error', e.error)
           END)
    FROM ended e
    WHERE $6 OR e.state = 'failed'
)
SELECT frames, undecodable, readings, repeated, refused, extract(epoch FROM finished_at - started_at)::float8 AS seconds
FROM ended
