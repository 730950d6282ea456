SELECT successor_sha256 FROM certificate
WHERE identity = $1 AND spki_sha256 = $2 AND successor_sha256 IS NOT NULL
LIMIT 1
