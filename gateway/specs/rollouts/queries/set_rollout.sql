-- A canary that goes on keeps its beginning and its figures; one that begins anew starts afresh.
INSERT INTO spec_rollout AS r (name, version, state, audience, limits, author, reason)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (name, version) DO UPDATE
SET state = excluded.state, audience = excluded.audience, limits = excluded.limits, author = excluded.author,
    reason = excluded.reason, changed_at = now(),
    started_at = CASE WHEN excluded.state = 'canary' AND r.state <> 'canary' THEN now() ELSE r.started_at END,
    figures = CASE WHEN excluded.state = 'canary' AND r.state <> 'canary' THEN '{}' ELSE r.figures END,
    judged_at = CASE WHEN excluded.state = 'canary' AND r.state <> 'canary' THEN NULL ELSE r.judged_at END
