SELECT name, selector, priority, version, author, reason, changed_at FROM parameter_group
WHERE removed_at IS NULL AND ($1::text IS NULL OR name = $1)
