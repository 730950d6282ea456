SELECT coalesce(s.scope, 'no change goes step by step') AS "Scope", s.state AS "State", array_to_string(s.changes, ', ') AS "Changes",
       s.step || ' of ' || s.steps AS "Step", s.share AS "Share", s.devices AS "Devices", s.healthy + s.unchanged AS "Healthy",
       s.pending AS "Pending", s.unreachable AS "Unreachable", s.failed AS "Failed", s.why AS "Why", s.author AS "Author",
       s.reason AS "Reason", s.changed_at AS "Changed"
FROM (VALUES (true)) f
LEFT JOIN (
    SELECT scope, state, changes, step, steps, share, devices, healthy, unchanged, pending, unreachable, failed, why, author, reason,
           changed_at
    FROM stage_overview
    WHERE state IN ('running', 'paused') OR $__timeFilter(changed_at)
    ORDER BY CASE WHEN state IN ('running', 'paused') THEN 0 ELSE 1 END, changed_at DESC
    LIMIT 50
) s ON true
ORDER BY CASE WHEN s.state IN ('running', 'paused') THEN 0 ELSE 1 END, s.changed_at DESC
