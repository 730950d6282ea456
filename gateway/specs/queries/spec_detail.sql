WITH held AS (
    SELECT s.name, s.version, s.generic, s.sha256, s.author, s.reason, s.published_at, s.document, s.source, r.audience,
           x.author AS deprecated_by, x.reason AS deprecated_why, x.deprecated_at,
           CASE WHEN r.state = 'withdrawn' THEN 'withdrawn' WHEN x.name IS NOT NULL THEN 'deprecated'
                WHEN r.state = 'canary' THEN 'canary' ELSE 'published' END AS state
    FROM spec s
    LEFT JOIN spec_deprecation x USING (name, version)
    LEFT JOIN spec_rollout r USING (name, version)
    WHERE s.name = $1 AND s.version = $2
    UNION ALL
    SELECT name, version, generic, sha256, author, reason, NULL, document, source, NULL, NULL, NULL, NULL, 'draft'
    FROM spec_draft WHERE name = $1 AND version = $2
)
SELECT h.name AS spec, h.version, h.state, h.generic, h.sha256, h.author, h.reason, h.published_at, h.deprecated_at,
       h.deprecated_by, h.deprecated_why, h.audience, h.document #>> '{match,protocol}' AS protocol,
       h.document #>> '{product,manufacturer}' AS manufacturer, h.document #>> '{product,name}' AS product,
       h.document, h.source,
       (SELECT count(*) FROM meter_spec m WHERE m.spec = h.name || '@' || h.version) AS meters
FROM held h
