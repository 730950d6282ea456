INSERT INTO parameter_stage (scope, base, document, changes, steps, settle_s, timeout_s, max_failed, state, author, reason)
VALUES ($1, $2, $3::text::jsonb, $4, $5, $6, $7, $8, 'running', $9, $10)
RETURNING id, scope, base, document::text AS document, changes, steps, step, settle_s, timeout_s, max_failed, state, why, author,
          reason, step_at
