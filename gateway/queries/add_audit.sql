INSERT INTO audit (actor, role, address, action, method, path, query, body, status, result)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
