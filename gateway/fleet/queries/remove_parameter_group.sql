UPDATE parameter_group
SET removed_at = now(), version = version + 1, author = $2, reason = $3, changed_at = now()
WHERE name = $1 AND removed_at IS NULL
