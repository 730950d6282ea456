SELECT coalesce(j.kind, 'no job yet') AS "Kind", j.waiting AS "Waiting", j.running AS "Running", j.failed AS "Failed in a day",
       j.done AS "Done in a day", j.oldest_s AS "First has waited"
FROM (VALUES (true)) f
LEFT JOIN (
    SELECT kind, count(*) FILTER (WHERE state = 'queued') AS waiting, count(*) FILTER (WHERE state = 'running') AS running,
           count(*) FILTER (WHERE state = 'failed' AND finished_at > now() - INTERVAL '1 day') AS failed,
           count(*) FILTER (WHERE state = 'done' AND finished_at > now() - INTERVAL '1 day') AS done,
           extract(epoch FROM now() - min(coalesce(not_before, created_at)) FILTER (WHERE state = 'queued' AND coalesce(not_before, created_at) < now()))::double precision AS oldest_s
    FROM job_overview
    WHERE state IN ('queued', 'running') OR finished_at > now() - INTERVAL '1 day'
    GROUP BY kind
) j ON true
ORDER BY j.kind
