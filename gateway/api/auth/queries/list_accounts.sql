SELECT name, role, author, issuer, created_at, changed_at, last_login_at FROM account WHERE name > $1 ORDER BY name LIMIT $2
