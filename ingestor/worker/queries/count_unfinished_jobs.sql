SELECT state, count(*) AS jobs FROM job WHERE state IN ('queued', 'running') GROUP BY state
