-- A published spec with its rollout; the columns of the rollout are null where it always was for all.
SELECT s.name, s.version, s.document #>> '{match,protocol}' AS protocol, r.state, r.audience, r.limits, r.started_at,
       x.name IS NOT NULL AS deprecated
FROM spec s
LEFT JOIN spec_rollout r USING (name, version)
LEFT JOIN spec_deprecation x USING (name, version)
WHERE s.name = $1 AND s.version = $2
