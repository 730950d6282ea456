-- Who of several ingestors does the upkeep, as a lease that ends by the database's clock: a lock of a session would stay with a
-- connection whose client is gone. And what blocks whom, for everybody who waits.

CREATE TABLE upkeep_lease (
    only_row   boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    holder     text,
    expires_at timestamptz NOT NULL DEFAULT '-infinity',
    made_at    timestamptz NOT NULL DEFAULT now()
);
INSERT INTO upkeep_lease DEFAULT VALUES;
COMMENT ON TABLE upkeep_lease IS 'The ingestor that sums up, rolls up and drops what is old, until when unless it renews that.';

CREATE FUNCTION upkeep_hold(who text, lasting interval) RETURNS boolean
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    UPDATE upkeep_lease SET holder = who, expires_at = clock_timestamp() + lasting
    WHERE holder = who OR expires_at < clock_timestamp()
    RETURNING true
$$;
COMMENT ON FUNCTION upkeep_hold IS 'Takes or renews the lease; null where somebody else has it. A lease of no time gives it back.';

-- A function with its owner's rights, so that who may read the view need not read the readings.
CREATE FUNCTION upkeep_stands() RETURNS TABLE (
    rollup_behind_s double precision, ledger_behind_s double precision, holder text, unheld_s double precision
) LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT extract(epoch FROM rollup_behind())::double precision,
           -- five seconds are left for what is on its way
           greatest(0, extract(epoch FROM clock_timestamp() - interval '5 seconds' - coalesce(nullif(s.folded_until, '-infinity'), l.made_at)))
               ::double precision,
           l.holder, greatest(0, extract(epoch FROM clock_timestamp() - greatest(l.expires_at, l.made_at)))::double precision
    FROM ledger_state s CROSS JOIN upkeep_lease l
$$;
CREATE VIEW upkeep_standing AS SELECT * FROM upkeep_stands();
COMMENT ON VIEW upkeep_standing IS 'How far roll-ups and summary of the ledger lag behind, who does them, and for how long nobody has.';

-- The statement's first two words only: somebody's literals are nobody else's business.
CREATE FUNCTION store_blocks() RETURNS TABLE (
    waiting_pid integer, waiting text, waiting_statement text, waited_s double precision,
    blocking_pid integer, blocking text, blocking_state text, blocking_statement text, blocking_client text, silent_s double precision
) LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT w.pid, w.application_name, replace(substring(w.query FROM '^\s*(\w+\W+\w+)'), '"', ''),
           extract(epoch FROM clock_timestamp() - coalesce(l.waitstart, w.query_start))::double precision,
           x.pid, coalesce(nullif(b.application_name, ''), b.backend_type, 'a prepared transaction'),
           concat_ws(', ', b.state, b.wait_event), replace(substring(b.query FROM '^\s*(\w+\W+\w+)'), '"', ''), host(b.client_addr),
           extract(epoch FROM clock_timestamp() - greatest(b.query_start, b.state_change))::double precision
    FROM pg_locks l
    JOIN pg_stat_activity w ON w.pid = l.pid
    CROSS JOIN LATERAL unnest(pg_blocking_pids(l.pid)) x (pid)
    LEFT JOIN pg_stat_activity b ON b.pid = x.pid
    WHERE NOT l.granted AND w.datname = current_database()
$$;
CREATE VIEW store_block AS SELECT * FROM store_blocks();
COMMENT ON VIEW store_block IS 'Sessions of this database that wait for a lock, and who holds it: what the other is at, and since when it is silent.';

REVOKE EXECUTE ON FUNCTION upkeep_hold, upkeep_stands, store_blocks FROM PUBLIC;
GRANT EXECUTE ON FUNCTION upkeep_hold TO wattline_ingestor;
GRANT EXECUTE ON FUNCTION store_blocks, upkeep_stands TO wattline_ingestor, wattline_gateway, wattline_grafana;
GRANT SELECT ON upkeep_lease TO wattline_ingestor;
GRANT SELECT ON upkeep_standing, store_block TO wattline_ingestor, wattline_gateway, wattline_grafana;
