SELECT max(not_after) AS not_after FROM certificate WHERE identity = $1 AND spki_sha256 = $2
