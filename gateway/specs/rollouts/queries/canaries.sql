SELECT name, version, limits, started_at FROM spec_rollout WHERE state = 'canary' ORDER BY name, version
