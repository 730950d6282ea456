-- What was rolled up before, by the tables of the Apache edition or in days and months of another zone, as if the new continuous
-- aggregate had made it: its rows, up to where it shows them itself, and from where on it has still to roll up. The catalogue's
-- tables of these are the same in TimescaleDB 2.19 to 2.29.

CREATE OR REPLACE FUNCTION rollup_take_over(step text, aggregate text) RETURNS void
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    held record;
    origin text;
    until timestamptz;
    part text;
    mark bigint;
BEGIN
    SELECT a.mat_hypertable_id AS id, a.raw_hypertable_id AS source, format('%I.%I', h.schema_name, h.table_name) AS name INTO held
    FROM _timescaledb_catalog.continuous_agg a JOIN _timescaledb_catalog.hypertable h ON h.id = a.mat_hypertable_id
    WHERE a.user_view_name = aggregate;
    IF to_regclass('rolled_' || step) IS NOT NULL THEN
        origin := 'rolled_' || step;
        until := (SELECT bucket_start(step, nullif(shown_until, '-infinity')) FROM rollup_state);
        part := format('bucket < %L', until);
    ELSIF step IN ('1d', '1mo') THEN
        -- days that begin before quarter-hours are kept can't be made again; the months are, of these days and those that can
        SELECT format('%I.%I', h.schema_name, h.table_name) INTO origin
        FROM _timescaledb_catalog.continuous_agg a JOIN _timescaledb_catalog.hypertable h ON h.id = a.mat_hypertable_id
        WHERE a.user_view_name ~ ('^agg_' || step || '_') AND a.user_view_name <> aggregate;
        until := bucket_next('1d', nullif(kept_since('rollup_15m'), '-infinity'));
        part := format('last_at < %L', until);
        IF step = '1mo' THEN
            until := bucket_start('1mo', until);
            part := format('bucket < %L', until - interval '2 days');
        END IF;
    END IF;
    IF origin IS NULL OR until IS NULL THEN
        RETURN;
    END IF;
    EXECUTE format($sql$
        INSERT INTO %s (bucket, series_id, first_at, last_at, first_value, last_value, min_value, max_value, sum_value, readings, decimals)
        SELECT bucket, series_id, first_at, last_at, first_value, last_value, min_value, max_value, sum_value, readings, decimals
        FROM %s WHERE %s
        $sql$, held.name, origin, part);
    mark := _timescaledb_functions.to_unix_microseconds(until);
    -- what lies before would else be looked for, not be found, and be removed by the first refresh, in whatever order they come
    UPDATE _timescaledb_catalog.continuous_aggs_materialization_invalidation_log
    SET lowest_modified_value = mark WHERE materialization_id = held.id;
    UPDATE _timescaledb_catalog.continuous_aggs_watermark SET watermark = mark WHERE mat_hypertable_id = held.id;
    -- changes before it are noted from now on
    UPDATE _timescaledb_catalog.continuous_aggs_invalidation_threshold
    SET watermark = greatest(watermark, mark) WHERE hypertable_id = held.source;
    IF step = '15m' THEN
        INSERT INTO _timescaledb_catalog.continuous_aggs_materialization_invalidation_log
            (materialization_id, lowest_modified_value, greatest_modified_value)
        SELECT held.id, _timescaledb_functions.to_unix_microseconds(hour),
               _timescaledb_functions.to_unix_microseconds(hour + interval '1 hour') - 1
        FROM (SELECT DISTINCT hour FROM rollup_late WHERE hour < until) l;
    END IF;
END
$$;
REVOKE EXECUTE ON FUNCTION rollup_take_over FROM PUBLIC;
