-- Who keeps the store up, what waits for whom, and what its jobs did.

CREATE OR REPLACE FUNCTION store_drop(hypertable regclass, before timestamptz, kept text) RETURNS bigint
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    gone bigint;
    until timestamptz;
BEGIN
    SELECT count(*), max(c.range_end) INTO gone, until
    FROM show_chunks(hypertable, older_than => before) s
    JOIN timescaledb_information.chunks c ON format('%I.%I', c.chunk_schema, c.chunk_name)::regclass = s;
    IF gone > 0 THEN
        PERFORM drop_chunks(hypertable, older_than => before);
        INSERT INTO store_kept (what, since) SELECT kept, until WHERE kept IS NOT NULL
        ON CONFLICT (what) DO UPDATE SET since = greatest(store_kept.since, excluded.since);
    END IF;
    RETURN gone;
END
$$;
COMMENT ON FUNCTION store_drop IS 'Drops the chunks that end before a time and notes it as kept_since(kept); returns how many there were.';

CREATE OR REPLACE FUNCTION store_jobs() RETURNS TABLE (
    name text, state text, schedule interval, last_success_at timestamptz, next_at timestamptz, failures bigint, error text
) LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT format('%s of %s', j.proc_name, coalesce(j.hypertable_name::text, 'nothing in particular')),
           CASE WHEN NOT j.scheduled THEN 'paused'
                WHEN s.job_status = 'Running' THEN 'ok'
                WHEN s.last_run_status = 'Failed' THEN 'failing'
                WHEN coalesce(nullif(s.next_start, '-infinity'), nullif(s.last_successful_finish, '-infinity') + j.schedule_interval,
                              i.recorded_at) < now() - interval '1 hour' THEN 'late'
                ELSE 'ok' END,
           j.schedule_interval, nullif(s.last_successful_finish, '-infinity'), nullif(s.next_start, '-infinity'),
           coalesce(s.total_failures, 0),
           CASE WHEN s.last_run_status = 'Failed' THEN (
               SELECT concat_ws(' ', e.sqlerrcode, e.err_message) FROM timescaledb_information.job_errors e
               WHERE e.job_id = j.job_id ORDER BY e.start_time DESC LIMIT 1) END
    FROM timescaledb_information.jobs j
    LEFT JOIN timescaledb_information.job_stats s ON s.job_id = j.job_id
    LEFT JOIN installation i ON i.name = 'edition_sql'
    -- those below are TimescaleDB's own: its telemetry, its history of jobs
    WHERE j.job_id >= 1000
    UNION ALL
    SELECT 'roll-ups', CASE WHEN rollup_behind() > interval '15 minutes' THEN 'late' ELSE 'ok' END,
           NULL, NULL, NULL, 0, CASE WHEN rollup_behind() > interval '15 minutes' THEN format(
           'they end %s before the readings: does an ingestor run, and does its log tell of upkeep_failed?', rollup_behind()) END
$$;
COMMENT ON FUNCTION store_jobs IS 'See the view store_job.';

CREATE OR REPLACE VIEW store_job AS SELECT * FROM store_jobs();
COMMENT ON VIEW store_job IS 'TimescaleDB''s scheduled jobs in this database and the roll-ups: state is ok, failing, late or paused, and why.';

CREATE OR REPLACE FUNCTION upkeep_hold(who text, lasting interval) RETURNS boolean
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    UPDATE upkeep_lease SET holder = who, expires_at = clock_timestamp() + lasting
    WHERE holder = who OR expires_at < clock_timestamp()
    RETURNING true
$$;
COMMENT ON FUNCTION upkeep_hold IS 'Takes or renews the lease; null where somebody else has it. A lease of no time gives it back.';

-- A function with its owner's rights, so that who may read the view need not read the readings.
CREATE OR REPLACE FUNCTION upkeep_stands() RETURNS TABLE (
    rollup_behind_s double precision, ledger_behind_s double precision, holder text, unheld_s double precision
) LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT extract(epoch FROM rollup_behind())::double precision,
           -- five seconds are left for what is on its way
           greatest(0, extract(epoch FROM clock_timestamp() - interval '5 seconds' - coalesce(nullif(s.folded_until, '-infinity'), l.made_at)))
               ::double precision,
           l.holder, greatest(0, extract(epoch FROM clock_timestamp() - greatest(l.expires_at, l.made_at)))::double precision
    FROM ledger_state s CROSS JOIN upkeep_lease l
$$;

CREATE OR REPLACE VIEW upkeep_standing AS SELECT * FROM upkeep_stands();
COMMENT ON VIEW upkeep_standing IS 'How far roll-ups and summary of the ledger lag behind, who does them, and for how long nobody has.';

-- The statement's first two words only: somebody's literals are nobody else's business.
CREATE OR REPLACE FUNCTION store_blocks() RETURNS TABLE (
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

CREATE OR REPLACE VIEW store_block AS SELECT * FROM store_blocks();
COMMENT ON VIEW store_block IS 'Sessions of this database that wait for a lock, and who holds it: what the other is at, and since when it is silent.';

REVOKE EXECUTE ON FUNCTION store_drop, store_jobs, upkeep_hold, upkeep_stands, store_blocks FROM PUBLIC;
GRANT EXECUTE ON FUNCTION store_jobs, upkeep_stands, store_blocks
    TO wattline_ingestor, wattline_gateway, wattline_grafana;
GRANT EXECUTE ON FUNCTION upkeep_hold TO wattline_ingestor;
