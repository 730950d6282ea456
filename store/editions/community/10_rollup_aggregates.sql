-- Roll-ups as continuous aggregates, each made of a finer one. The zone is part of the names of days and months: another zone
-- makes new ones beside the old, which go when the views have changed over. Each takes over before the next one is made of it:
-- else what it takes over would be noted as a change, to be rolled up again.

-- They belong to the ingestor: TimescaleDB lets nobody but the owner refresh, and not in a function that has the owner's rights.

SELECT set_config('wattline.migrator', current_user, true);
DO $$
DECLARE
    aggregate text;
BEGIN
    IF NOT pg_has_role(current_user, 'wattline_ingestor', 'USAGE') THEN
        EXECUTE format('GRANT wattline_ingestor TO %I WITH INHERIT TRUE, SET TRUE', current_user);
    END IF;
    FOR aggregate IN
        SELECT view_name FROM timescaledb_information.continuous_aggregates
        WHERE view_name ~ '^agg_1' AND view_owner <> 'wattline_ingestor'
    LOOP
        EXECUTE format('ALTER MATERIALIZED VIEW %I OWNER TO wattline_ingestor', aggregate);
    END LOOP;
END
$$;
-- what it takes to make them, and no longer
GRANT CREATE ON SCHEMA public TO wattline_ingestor;
GRANT TRIGGER ON reading TO wattline_ingestor;

SELECT set_config('role', 'wattline_ingestor', true);
-- Without values that no sum can bear: rollup_tell tells of them. Aggregates of an earlier version have no such condition, and
-- the ingestor steps over what it can't refresh.
CREATE MATERIALIZED VIEW IF NOT EXISTS agg_15m WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
SELECT time_bucket('15 minutes', time) AS bucket, series_id, min(time) AS first_at, max(time) AS last_at,
       first(value, time) AS first_value, last(value, time) AS last_value, min(value) AS min_value,
       max(value) AS max_value, sum(value) AS sum_value, count(*) AS readings,
       rollup_decimals(first(value, time), last(value, time)) AS decimals
FROM reading WHERE value BETWEEN -1e100 AND 1e100 GROUP BY 1, 2 WITH NO DATA;
SELECT set_config('role', current_setting('wattline.migrator'), true);
SELECT rollup_take_over('15m', 'agg_15m');

SELECT set_config('role', 'wattline_ingestor', true);
CREATE MATERIALIZED VIEW IF NOT EXISTS agg_1h WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
SELECT time_bucket('1 hour', bucket) AS bucket, series_id, min(first_at) AS first_at, max(last_at) AS last_at,
       first(first_value, first_at) AS first_value, last(last_value, last_at) AS last_value,
       min(min_value) AS min_value, max(max_value) AS max_value, sum(sum_value) AS sum_value,
       sum(readings)::bigint AS readings, max(decimals) AS decimals
FROM agg_15m GROUP BY 1, 2 WITH NO DATA;
SELECT set_config('role', current_setting('wattline.migrator'), true);
SELECT rollup_take_over('1h', 'agg_1h');

SELECT set_config('role', 'wattline_ingestor', true);
CREATE MATERIALIZED VIEW IF NOT EXISTS {{agg_1d}} WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
SELECT time_bucket('1 day', bucket, {{zone}}) AS bucket, series_id, min(first_at) AS first_at, max(last_at) AS last_at,
       first(first_value, first_at) AS first_value, last(last_value, last_at) AS last_value,
       min(min_value) AS min_value, max(max_value) AS max_value, sum(sum_value) AS sum_value,
       sum(readings)::bigint AS readings, max(decimals) AS decimals
FROM agg_15m GROUP BY 1, 2 WITH NO DATA;
SELECT set_config('role', current_setting('wattline.migrator'), true);
SELECT rollup_take_over('1d', '{{agg_1d}}');

SELECT set_config('role', 'wattline_ingestor', true);
CREATE MATERIALIZED VIEW IF NOT EXISTS {{agg_1mo}} WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
SELECT time_bucket('1 month', bucket, {{zone}}) AS bucket, series_id, min(first_at) AS first_at,
       max(last_at) AS last_at, first(first_value, first_at) AS first_value, last(last_value, last_at) AS last_value,
       min(min_value) AS min_value, max(max_value) AS max_value, sum(sum_value) AS sum_value,
       sum(readings)::bigint AS readings, max(decimals) AS decimals
FROM {{agg_1d}} GROUP BY 1, 2 WITH NO DATA;
SELECT set_config('role', current_setting('wattline.migrator'), true);
SELECT rollup_take_over('1mo', '{{agg_1mo}}');

REVOKE CREATE ON SCHEMA public FROM wattline_ingestor;
REVOKE TRIGGER ON reading FROM wattline_ingestor;

-- Each level would have chunks of ten days, as the quarter-hours have, and every question of the coarser ones be planned over
-- hundreds of them. The same widths as of the Apache edition's tables; chunks that are there already stay as they are.
SELECT set_chunk_time_interval('agg_1h', INTERVAL '28 days');
SELECT set_chunk_time_interval('{{agg_1d}}', INTERVAL '364 days');
SELECT set_chunk_time_interval('{{agg_1mo}}', INTERVAL '3640 days');
