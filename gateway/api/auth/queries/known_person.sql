UPDATE account SET role = $3, last_login_at = now() WHERE issuer = $1 AND subject = $2 RETURNING id, name
