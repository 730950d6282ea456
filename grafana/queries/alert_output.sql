-- For a week: an output that was away for longer is taken for one that nobody wants any more, and nothing is noted for it.
SELECT output, extract(epoch FROM now() - least(waiting_since, seen_at))::double precision AS value
FROM outlet_overview
WHERE seen_at > now() - INTERVAL '6 days'
