-- What works in the database by itself, and whether it does. Functions and not views over timescaledb_information, whose views an
-- update of TimescaleDB drops and makes anew: it can't while others stand on them.

-- Replaced by each edition's own.
CREATE FUNCTION rollup_behind() RETURNS interval LANGUAGE sql STABLE AS $$ SELECT interval '0' $$;
COMMENT ON FUNCTION rollup_behind IS 'How far the roll-ups lag behind, beyond a quarter-hour.';

CREATE FUNCTION store_jobs() RETURNS TABLE (
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
REVOKE EXECUTE ON FUNCTION store_jobs FROM PUBLIC;
GRANT EXECUTE ON FUNCTION store_jobs TO wattline_ingestor, wattline_gateway, wattline_grafana;

CREATE VIEW store_job AS SELECT * FROM store_jobs();
COMMENT ON VIEW store_job IS 'TimescaleDB''s scheduled jobs in this database and the roll-ups: state is ok, failing, late or paused, and why.';
GRANT SELECT ON store_job TO wattline_ingestor, wattline_gateway, wattline_grafana;
