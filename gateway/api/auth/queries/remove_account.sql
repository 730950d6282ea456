DELETE FROM account WHERE name = $1
RETURNING name, role, author, issuer, created_at, changed_at, last_login_at
