-- What only the Apache edition needs, if this database was one of it, and the days and months of a zone of before.

DO $$
DECLARE
    level record;
    held record;
    oldest timestamptz := (SELECT min(range_start) FROM timescaledb_information.chunks WHERE hypertable_name = 'reading');
BEGIN
    IF to_regclass('rolled_15m') IS NOT NULL THEN
        -- roll-ups whose readings are gone can't be made again: they are taken over
        FOR level IN
            SELECT * FROM (VALUES ('15m', 'agg_15m'), ('1h', 'agg_1h'), ('1d', '{{agg_1d}}'), ('1mo', '{{agg_1mo}}')) t (step, view)
        LOOP
            SELECT materialization_hypertable_schema AS schema, materialization_hypertable_name AS name INTO held
            FROM timescaledb_information.continuous_aggregates WHERE view_name = level.view;
            EXECUTE format($sql$
                INSERT INTO %I.%I (bucket, series_id, first_at, last_at, first_value, last_value, min_value, max_value, sum_value, readings, decimals)
                SELECT bucket, series_id, first_at, last_at, first_value, last_value, min_value, max_value, sum_value, readings, decimals
                FROM %I WHERE bucket_end(%L, bucket) <= %L::timestamptz
                $sql$, held.schema, held.name, 'rolled_' || level.step, level.step, oldest);
        END LOOP;
        -- or the first refresh would look for them in the readings, find none there, and remove them
        UPDATE _timescaledb_catalog.continuous_aggs_materialization_invalidation_log l
        SET lowest_modified_value = _timescaledb_functions.to_unix_microseconds(oldest)
        FROM _timescaledb_catalog.continuous_agg a
        WHERE a.user_view_name = 'agg_15m' AND l.materialization_id = a.mat_hypertable_id
              AND l.lowest_modified_value < _timescaledb_functions.to_unix_microseconds(oldest)
              AND l.greatest_modified_value > _timescaledb_functions.to_unix_microseconds(oldest);
    END IF;
    FOR level IN
        SELECT view_schema, view_name FROM timescaledb_information.continuous_aggregates
        WHERE view_name ~ '^agg_1(d|mo)_' AND view_name NOT IN ('{{agg_1d}}', '{{agg_1mo}}')
        ORDER BY view_name DESC  -- months before the days that they are made of
    LOOP
        EXECUTE format('DROP MATERIALIZED VIEW %I.%I', level.view_schema, level.view_name);
    END LOOP;
END
$$;

DROP TRIGGER IF EXISTS reading_late ON reading;
DROP FUNCTION IF EXISTS note_late_readings, rollup_note, rollup_fold, rollup_fold_late, rollup_read, rollup_read_late,
    rollup_stretch, rollup_step, rollup_again, rollup_rezone, store_retain, rollup_shown;
-- one by one: TimescaleDB drops no hypertable together with others
DROP TABLE IF EXISTS rolled_15m;
DROP TABLE IF EXISTS rolled_1h;
DROP TABLE IF EXISTS rolled_1d;
DROP TABLE IF EXISTS rolled_1mo;
DROP TABLE IF EXISTS rollup_state, rollup_late;
