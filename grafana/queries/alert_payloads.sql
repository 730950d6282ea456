-- Of very many that gave nothing the newest thousand of a source are looked at.
SELECT source, 'payloads gave nothing within the hour' AS trouble,
       (SELECT count(*)::double precision
        FROM (SELECT p.received_at FROM payload_log p WHERE p.source = o.source AND p.state = 'unmapped' ORDER BY p.id DESC LIMIT 1000) n
        WHERE n.received_at > now() - INTERVAL '1 hour') AS value
FROM source_overview o
WHERE unmapped > 0
UNION ALL
SELECT source, 'payloads wait, the first for more than five minutes', waiting::double precision
FROM source_overview
WHERE enabled AND waiting_since < now() - INTERVAL '5 minutes'
