-- Those that wait, run, or failed within a day; `oldest_s` since the first of them was due.
SELECT kind, state, count(*) AS jobs,
       coalesce(extract(epoch FROM now() - min(coalesce(not_before, created_at)) FILTER (WHERE coalesce(not_before, created_at) <= now())),
                0)::float8 AS oldest_s
FROM job
WHERE state IN ('queued', 'running') OR (state = 'failed' AND finished_at > now() - INTERVAL '1 day')
GROUP BY kind, state
