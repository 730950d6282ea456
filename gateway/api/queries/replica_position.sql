-- Whether this is a standby, and how far it has replayed the primary's log, in bytes from its beginning.
SELECT pg_is_in_recovery() AS standby, (pg_last_wal_replay_lsn() - '0/0'::pg_lsn)::bigint AS position
