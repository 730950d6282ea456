-- Sessions of our own role that are in mid COPY and have been silent for $1 seconds, with $2 those only that hold what others wait for: their
-- client is gone, whatever stands between keeps the connection. No timeout of the server's ends a session that waits for the rest of a COPY.
-- Materialized: nobody is ended before all conditions are known to hold.
WITH silent AS MATERIALIZED (
    SELECT a.pid, a.application_name, a.client_addr, clock_timestamp() - a.query_start AS silent
    FROM pg_stat_activity a
    WHERE a.usename = current_user AND a.datname = current_database() AND a.pid <> pg_backend_pid()
          AND a.wait_event = 'ClientRead' AND a.xact_start IS NOT NULL
          AND a.query_start < clock_timestamp() - make_interval(secs => $1)
          AND (NOT $2::boolean OR a.pid IN (SELECT unnest(pg_blocking_pids(l.pid)) FROM pg_locks l WHERE NOT l.granted))
)
SELECT pid, application_name AS name, host(client_addr) AS client, extract(epoch FROM silent)::double precision AS silent_s,
       pg_terminate_backend(pid) AS ended
FROM silent
