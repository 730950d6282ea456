SELECT j.job_id AS "Job", j.kind AS "Kind", j.state AS "State", coalesce(nullif(j.spec, ''), j.schedule, j.reason) AS "Of", j.progress AS "Progress",
       j.done AS "Done", j.readings AS "New readings", j.undecodable AS "Undecodable", j.refused AS "Refused", j.frames_s AS "Speed",
       j.author AS "Author", j.changed_at AS "Changed",
       CASE WHEN j.job_id IS NULL THEN 'no job in this range' ELSE coalesce(j.error, j.note) END AS "Note"
FROM (VALUES (true)) f
LEFT JOIN (
    SELECT *
    FROM job_overview
    WHERE state IN ('queued', 'running') OR $__timeFilter(changed_at)
    ORDER BY job_id DESC
    LIMIT 100
) j ON true
ORDER BY j.job_id DESC
