INSERT INTO parameter_group AS g (name, selector, priority, author, reason) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (name) DO UPDATE
SET selector = excluded.selector, priority = excluded.priority, version = g.version + 1, author = excluded.author,
    reason = excluded.reason, changed_at = now(), removed_at = NULL
