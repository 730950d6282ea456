SELECT id, scope, base, document::text AS document, changes, steps, step, settle_s, timeout_s, max_failed, state, why, author,
       reason, step_at
FROM parameter_stage WHERE id = $1
