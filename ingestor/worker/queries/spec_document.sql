SELECT document::text FROM spec WHERE name = $1 AND version = $2
