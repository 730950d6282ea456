-- What was mapped is kept for a month, perhaps in millions: of all sources the newest 20000 of the last hour are counted.
WITH lately AS (
    SELECT newest.source, count(*) AS mapped
    FROM (
        SELECT p.source FROM payload p
        WHERE p.state = 'mapped' AND p.mapped_at > now() - INTERVAL '1 hour'
        ORDER BY p.mapped_at DESC
        LIMIT 20000
    ) newest
    GROUP BY newest.source
)
SELECT s.name, s.kind, s.version, s.enabled, d.name AS device, s.settings, s.secret IS NOT NULL AS has_secret, s.created_by, s.created_at,
       s.changed_at, d.last_seen_at, (SELECT count(*) FROM meter m WHERE m.device_id = s.device_id AND m.removed_at IS NULL) AS meters,
       (SELECT count(*) FROM payload p WHERE p.source = s.name AND p.state = 'waiting') AS waiting,
       (SELECT count(*) FROM payload p WHERE p.source = s.name AND p.state = 'unmapped') AS unmapped,
       coalesce(l.mapped, 0) AS mapped_last_hour,
       last.payload_at AS last_payload_at,
       (SELECT p.received_at FROM payload p WHERE p.source = s.name AND p.state = 'waiting' ORDER BY p.id LIMIT 1) AS waiting_since,
       (SELECT p.reason FROM payload p WHERE p.source = s.name AND p.state = 'unmapped' ORDER BY p.id DESC LIMIT 1) AS unmapped_reason,
       CASE WHEN s.kind = 'mqtt' THEN b.told[1] ->> 'reason' END AS not_bridged, CASE WHEN s.kind = 'mqtt' THEN b.told_at END AS not_bridged_at,
       CASE WHEN s.kind = 'hook' THEN b.told[1] ->> 'reason' END AS refused, CASE WHEN s.kind = 'hook' THEN b.told_at END AS refused_at,
       u.told[1] ->> 'reason' AS unproved, u.told_at AS unproved_at, u.posts AS unproved_posts
FROM source s
JOIN device d ON d.id = s.device_id
LEFT JOIN lately l ON l.source = s.name
CROSS JOIN LATERAL (
    SELECT greatest(
        d.last_seen_at,
        (SELECT p.received_at FROM payload p WHERE p.source = s.name AND p.state = 'waiting' ORDER BY p.id DESC LIMIT 1),
        (SELECT p.received_at FROM payload p WHERE p.source = s.name AND p.state = 'unmapped' ORDER BY p.id DESC LIMIT 1)
    ) AS payload_at
) last
-- an aggregate, for the index by device: the newest alone would be looked for through everybody's events
CROSS JOIN LATERAL (
    SELECT array_agg(e.detail ORDER BY e.received_at DESC) AS told, max(e.received_at) AS told_at
    FROM event e
    WHERE e.device_id = s.device_id
          AND e.event = CASE s.kind WHEN 'mqtt' THEN 'source_not_bridged' WHEN 'hook' THEN 'source_posts_refused' END
          AND e.received_at > greatest(s.changed_at, last.payload_at)
) b
CROSS JOIN LATERAL (
    SELECT array_agg(e.detail ORDER BY e.received_at DESC) AS told, max(e.received_at) AS told_at,
           coalesce(sum((e.detail ->> 'posts')::bigint), 0)::bigint AS posts
    FROM event e
    WHERE e.device_id = s.device_id AND e.event = 'source_posts_unproved' AND e.received_at > now() - INTERVAL '1 day'
) u
WHERE $1::text IS NULL OR s.name = $1
ORDER BY s.name
