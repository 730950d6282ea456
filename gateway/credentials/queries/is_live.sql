SELECT EXISTS (SELECT FROM credential WHERE identity = $1 AND revoked_at IS NULL) AS live
