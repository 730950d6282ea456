INSERT INTO spec_rollout_step (name, version, state, audience, author, reason, figures)
VALUES ($1, $2, $3, $4, $5, $6, $7)
