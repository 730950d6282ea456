UPDATE source SET secret = $2, master = $3, changed_at = now() WHERE name = $1
