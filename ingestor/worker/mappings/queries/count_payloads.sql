-- Every source, so that a metric of it begins at 0; what an engineer turned off waits by intent, and is not overdue.
WITH found AS (
    SELECT source,
           count(*) FILTER (WHERE state = 'waiting') AS waiting,
           count(*) FILTER (WHERE state = 'unmapped') AS unmapped,
           min(received_at) FILTER (WHERE state = 'waiting') AS since
    FROM payload
    WHERE state IN ('waiting', 'unmapped')
    GROUP BY source
)
SELECT s.name AS source,
       coalesce(f.waiting, 0) AS waiting,
       coalesce(f.unmapped, 0) AS unmapped,
       CASE WHEN s.enabled AND f.since IS NOT NULL THEN extract(epoch FROM now() - f.since) ELSE 0 END::double precision AS oldest_s
FROM source s
LEFT JOIN found f ON f.source = s.name
ORDER BY s.name
