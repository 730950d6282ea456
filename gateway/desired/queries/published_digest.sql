SELECT sha256 FROM spec WHERE name = $1 AND version = $2
