-- What only the Apache edition needs, if this database was one of it, and the days and months of a zone of before.

DO $$
DECLARE
    level record;
BEGIN
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
    rollup_stretch, rollup_step, rollup_again, rollup_rezone, rollup_shown, rollup_take_over;
-- one by one: TimescaleDB drops no hypertable together with others
DROP TABLE IF EXISTS rolled_15m;
DROP TABLE IF EXISTS rolled_1h;
DROP TABLE IF EXISTS rolled_1d;
DROP TABLE IF EXISTS rolled_1mo;
DROP TABLE IF EXISTS rollup_state, rollup_late;
