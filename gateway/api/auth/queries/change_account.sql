WITH ended AS (
    DELETE FROM console_session s USING account a WHERE a.name = $1 AND s.account_id = a.id
)
UPDATE account SET role = coalesce($2, role), password = coalesce($3, password), changed_at = now()
WHERE name = $1 AND ($3::text IS NULL OR issuer IS NULL)
RETURNING name, role, author, issuer, created_at, changed_at, last_login_at
