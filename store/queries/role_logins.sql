SELECT rolname::text AS role, rolcanlogin AS may_log_in, rolpassword IS NOT NULL AS has_password,
       coalesce(rolvaliduntil < now(), false) AS expired
FROM pg_authid WHERE rolname = ANY ($1) ORDER BY rolname
