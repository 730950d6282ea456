SELECT name, version, limits::text AS limits, started_at FROM spec_rollout WHERE state = 'canary' ORDER BY name, version
