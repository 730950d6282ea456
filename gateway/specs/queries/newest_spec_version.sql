SELECT max(version) FROM spec WHERE name = $1
