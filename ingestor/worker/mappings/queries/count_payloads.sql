-- Every source, so that a metric of it begins at 0; what an engineer turned off waits by intent, and is not overdue.
SELECT s.name AS source,
       (SELECT count(*) FROM payload p WHERE p.source = s.name AND p.state = 'waiting') AS waiting,
       (SELECT count(*) FROM payload p WHERE p.source = s.name AND p.state = 'unmapped') AS unmapped,
       coalesce((
           SELECT extract(epoch FROM now() - p.received_at) FROM payload p
           WHERE s.enabled AND p.source = s.name AND p.state = 'waiting'
           ORDER BY p.id
           LIMIT 1
       ), 0)::double precision AS oldest_s
FROM source s
ORDER BY s.name
