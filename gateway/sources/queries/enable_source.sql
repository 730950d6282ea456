UPDATE source SET enabled = $2, changed_at = now() WHERE name = $1
