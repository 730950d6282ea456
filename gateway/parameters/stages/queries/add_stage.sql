INSERT INTO parameter_stage (scope, base, document, changes, steps, settle_s, timeout_s, max_failed, state, author, reason)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'running', $9, $10)
RETURNING id, scope, base, document AS layer, changes, steps, step, settle_s, timeout_s, max_failed, state, why, author,
          reason, step_at
