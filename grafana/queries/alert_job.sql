SELECT kind, 'failed within the hour' AS trouble, count(*)::double precision AS value
FROM job_overview
WHERE state = 'failed' AND finished_at > now() - INTERVAL '1 hour'
GROUP BY kind
UNION ALL
SELECT kind, 'wait for more than half an hour', count(*)::double precision
FROM job_overview
WHERE state = 'queued' AND coalesce(not_before, created_at) < now() - INTERVAL '30 minutes'
GROUP BY kind
