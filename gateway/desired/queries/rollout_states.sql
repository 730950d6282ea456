SELECT name || '@' || version AS ref, state, audience FROM spec_rollout WHERE state IN ('canary', 'withdrawn')
