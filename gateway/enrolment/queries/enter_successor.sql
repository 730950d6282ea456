UPDATE certificate SET successor_sha256 = $3
WHERE identity = $1 AND spki_sha256 = $2 AND successor_sha256 IS NULL
