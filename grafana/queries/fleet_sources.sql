SELECT coalesce(o.source, 'no sources') AS "Name", o.state AS "Stands", o.meters AS "Meters", o.last_seen_at AS "Heard",
       o.waiting AS "Waiting", o.waiting_since AS "Waiting since", o.unmapped AS "Unmapped", o.reason AS "Why"
FROM (VALUES (true)) f
LEFT JOIN (
    SELECT *, CASE WHEN NOT enabled THEN 'off' WHEN version IS NULL THEN 'no mapping yet' WHEN unmapped > 0 THEN 'some unmapped'
                   WHEN waiting_since < now() - INTERVAL '5 minutes' THEN 'behind' ELSE 'good' END AS state
    FROM source_overview
    LIMIT 200
) o ON true
ORDER BY o.state = 'good', o.source
