SELECT coalesce(o.output, 'no output of lines') AS "Output",
       CASE WHEN o.seen_at < now() - INTERVAL '10 minutes' THEN 'away' WHEN o.waiting_since < now() - INTERVAL '10 minutes' THEN 'behind'
            WHEN o.output IS NOT NULL THEN 'good' END AS "Stands",
       o.since AS "Given from", o.waiting_since AS "Waiting since", o.seen_at AS "Looked"
FROM (VALUES (true)) f
LEFT JOIN (SELECT * FROM outlet_overview LIMIT 100) o ON true
ORDER BY o.output
