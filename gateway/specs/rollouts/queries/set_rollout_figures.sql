UPDATE spec_rollout SET figures = $4, judged_at = now()
WHERE name = $1 AND version = $2 AND state = 'canary' AND started_at = $3
