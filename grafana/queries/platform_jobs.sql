SELECT job_id AS "Job", state AS "State", spec AS "Spec", meters AS "Meters", progress AS "Progress", frames AS "Frames",
       readings AS "New readings", undecodable AS "Undecodable", refused AS "Refused", frames_s AS "Speed",
       author AS "Author", changed_at AS "Changed", coalesce(error, note) AS "Note"
FROM job_overview
WHERE state IN ('queued', 'running') OR $__timeFilter(changed_at)
ORDER BY job_id DESC
LIMIT 100
