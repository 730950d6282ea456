SELECT id, role, password FROM account WHERE name = $1
