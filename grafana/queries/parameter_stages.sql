SELECT scope AS "Scope", state AS "State", array_to_string(changes, ', ') AS "Changes", concat(step, ' of ', steps) AS "Step",
       share AS "Share", devices AS "Devices", healthy + unchanged AS "Healthy", pending AS "Pending", unreachable AS "Unreachable",
       failed AS "Failed", why AS "Why", author AS "Author", reason AS "Reason", changed_at AS "Changed"
FROM stage_overview
WHERE state IN ('running', 'paused') OR $__timeFilter(changed_at)
ORDER BY CASE WHEN state IN ('running', 'paused') THEN 0 ELSE 1 END, changed_at DESC
LIMIT 50
