SELECT source,
       count(*) FILTER (WHERE state = 'waiting') AS waiting,
       count(*) FILTER (WHERE state = 'unmapped') AS unmapped,
       coalesce(extract(epoch FROM now() - min(received_at) FILTER (WHERE state = 'waiting')), 0)::double precision AS oldest_s
FROM payload
WHERE state IN ('waiting', 'unmapped')
GROUP BY source
ORDER BY source
