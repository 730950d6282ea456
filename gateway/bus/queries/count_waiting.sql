-- How much waits to be published, and in how many seconds the first claim on any of it ends.
SELECT count(*) AS devices, extract(epoch FROM min(claimed_until) - now())::float8 AS free_in_s
FROM (
    SELECT claimed_until FROM desired WHERE announced IS DISTINCT FROM version
    UNION ALL
    SELECT claimed_until FROM software_desired WHERE announced IS DISTINCT FROM version
) waiting
