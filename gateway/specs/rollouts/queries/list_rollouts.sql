SELECT r.name AS spec, r.version, r.state, r.audience, r.limits, r.author, r.reason, r.started_at, r.changed_at,
       o.meters, o.devices, r.figures, r.judged_at
FROM spec_rollout r
JOIN rollout_overview o USING (name, version)
WHERE ($1::text IS NULL OR r.state = $1) AND ($2::text IS NULL OR (r.name, r.version) = ($2, $3::int))
ORDER BY r.changed_at DESC, r.name, r.version
LIMIT $4
