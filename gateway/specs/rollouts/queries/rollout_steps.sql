SELECT state, audience, author, reason, at, figures FROM spec_rollout_step
WHERE name = $1 AND version = $2
ORDER BY id DESC
LIMIT 100
