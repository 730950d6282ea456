-- How far the primary has written its log, in bytes from its beginning.
SELECT (pg_current_wal_lsn() - '0/0'::pg_lsn)::bigint
