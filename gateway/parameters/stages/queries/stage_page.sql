SELECT o.id, o.scope, o.state, o.changes, o.step, s.steps, o.devices, o.pending, o.healthy, o.unchanged, o.unreachable, o.failed,
       o.max_failed AS max_failed_percent, o.settle_s, o.timeout_s, o.why, s.result AS version, o.author, o.reason,
       o.created_at, o.step_at, o.changed_at, s.document AS layer
FROM stage_overview o JOIN parameter_stage s ON s.id = o.id
WHERE o.id < $1 AND ($2::text IS NULL OR o.state = $2)
ORDER BY o.id DESC
LIMIT $3
