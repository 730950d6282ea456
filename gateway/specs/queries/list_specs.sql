-- Published specs and drafts in one order; of one name and version there is either.
WITH used AS (SELECT spec, count(*) AS meters FROM meter_spec WHERE spec IS NOT NULL GROUP BY spec),
held AS (
    SELECT s.name, s.version, s.generic, s.sha256, s.author, s.reason, s.published_at, x.deprecated_at, s.document,
           CASE WHEN r.state = 'withdrawn' THEN 'withdrawn' WHEN x.name IS NOT NULL THEN 'deprecated'
                WHEN r.state = 'canary' THEN 'canary' ELSE 'published' END AS state
    FROM spec s
    LEFT JOIN spec_deprecation x USING (name, version)
    LEFT JOIN spec_rollout r USING (name, version)
    UNION ALL
    SELECT name, version, generic, sha256, author, reason, NULL, NULL, document, 'draft' FROM spec_draft
)
SELECT h.name AS spec, h.version, h.state, h.generic, coalesce(u.meters, 0) AS meters, h.sha256, h.author, h.reason,
       h.published_at, h.deprecated_at, h.document #>> '{match,protocol}' AS protocol,
       h.document #>> '{product,manufacturer}' AS manufacturer, h.document #>> '{product,name}' AS product
FROM held h
LEFT JOIN used u ON u.spec = h.name || '@' || h.version
WHERE (h.name, h.version) > ($1, $2) AND ($3::text IS NULL OR h.state = $3) AND ($4::boolean IS NULL OR h.generic = $4)
ORDER BY h.name, h.version
LIMIT $5
