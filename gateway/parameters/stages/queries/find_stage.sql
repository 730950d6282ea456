SELECT id, scope, base, document AS layer, changes, steps, step, settle_s, timeout_s, max_failed, state, why, author,
       reason, step_at
FROM parameter_stage WHERE id = $1
