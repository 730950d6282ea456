-- Jobs, quarantine and events.

CREATE OR REPLACE VIEW job_overview AS
SELECT j.id AS job_id, j.kind, j.state, j.spec, j.since, j.automatic, j.author, j.reason, coalesce(m.meters, 0) AS meters,
       j.total_frames, j.frames, j.undecodable, j.readings, j.repeated, j.refused,
       CASE WHEN j.state = 'done' THEN 1
            WHEN j.total_frames > 0 THEN least(1, j.frames / j.total_frames::double precision)
            WHEN j.total > 0 THEN least(1, j.done / j.total::double precision)
       END AS progress,
       CASE WHEN j.changed_at > j.started_at
            THEN j.frames / extract(epoch FROM j.changed_at - j.started_at)::double precision
       END AS frames_s,
       j.created_at, j.started_at, j.changed_at, j.finished_at, j.attempts, j.note, j.error,
       j.arguments, j.priority, j.schedule, j.not_before, j.failures, greatest(j.done, j.frames) AS done,
       coalesce(j.total, j.total_frames) AS total, j.result
FROM job j
LEFT JOIN (SELECT job_id, count(*) AS meters FROM job_meter GROUP BY job_id) m ON m.job_id = j.id;
COMMENT ON VIEW job_overview IS 'Jobs with their progress (0 to 1) and speed; done of total in the units of their kind.';

CREATE OR REPLACE VIEW quarantine AS
SELECT f.received_at, f.id, d.name AS device, m.key AS meter, f.topic, f.kind, f.reason, f.detail, f.port, f.protocol,
       f.at, octet_length(f.data) AS bytes, f.resolved_at
FROM frame f
LEFT JOIN device d ON d.id = f.device_id
LEFT JOIN meter m ON m.id = f.meter_id;
COMMENT ON VIEW quarantine IS 'What is in quarantine, and why, without the bytes themselves.';

CREATE OR REPLACE VIEW event_log AS
SELECT e.received_at, e.at, d.name AS device, m.key AS meter, e.source, e.event, e.severity, e.boot, e.seq, e.detail
FROM event e
LEFT JOIN device d ON d.id = e.device_id
LEFT JOIN meter m ON m.id = e.meter_id;
COMMENT ON VIEW event_log IS 'Events with device and meter.';
