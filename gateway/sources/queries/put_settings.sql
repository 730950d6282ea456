UPDATE source SET settings = $2::jsonb, changed_at = now() WHERE name = $1
