-- Roll-ups as continuous aggregates, each made of a finer one. The zone is part of the names of days and months: another zone
-- makes new ones beside the old, which go when the views have changed over.

CREATE MATERIALIZED VIEW IF NOT EXISTS agg_15m WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
SELECT time_bucket('15 minutes', time) AS bucket, series_id, min(time) AS first_at, max(time) AS last_at,
       first(value, time) AS first_value, last(value, time) AS last_value, min(value) AS min_value,
       max(value) AS max_value, sum(value) AS sum_value, count(*) AS readings,
       rollup_decimals(first(value, time), last(value, time)) AS decimals
FROM reading GROUP BY 1, 2 WITH NO DATA;

CREATE MATERIALIZED VIEW IF NOT EXISTS agg_1h WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
SELECT time_bucket('1 hour', bucket) AS bucket, series_id, min(first_at) AS first_at, max(last_at) AS last_at,
       first(first_value, first_at) AS first_value, last(last_value, last_at) AS last_value,
       min(min_value) AS min_value, max(max_value) AS max_value, sum(sum_value) AS sum_value,
       sum(readings)::bigint AS readings, max(decimals) AS decimals
FROM agg_15m GROUP BY 1, 2 WITH NO DATA;

CREATE MATERIALIZED VIEW IF NOT EXISTS {{agg_1d}} WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
SELECT time_bucket('1 day', bucket, {{zone}}) AS bucket, series_id, min(first_at) AS first_at, max(last_at) AS last_at,
       first(first_value, first_at) AS first_value, last(last_value, last_at) AS last_value,
       min(min_value) AS min_value, max(max_value) AS max_value, sum(sum_value) AS sum_value,
       sum(readings)::bigint AS readings, max(decimals) AS decimals
FROM agg_15m GROUP BY 1, 2 WITH NO DATA;

CREATE MATERIALIZED VIEW IF NOT EXISTS {{agg_1mo}} WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
SELECT time_bucket('1 month', bucket, {{zone}}) AS bucket, series_id, min(first_at) AS first_at,
       max(last_at) AS last_at, first(first_value, first_at) AS first_value, last(last_value, last_at) AS last_value,
       min(min_value) AS min_value, max(max_value) AS max_value, sum(sum_value) AS sum_value,
       sum(readings)::bigint AS readings, max(decimals) AS decimals
FROM {{agg_1d}} GROUP BY 1, 2 WITH NO DATA;

-- Each level would have chunks of ten days, as the quarter-hours have, and every question of the coarser ones be planned over
-- hundreds of them. The same widths as of the Apache edition's tables; chunks that are there already stay as they are.
SELECT set_chunk_time_interval('agg_1h', INTERVAL '28 days');
SELECT set_chunk_time_interval('{{agg_1d}}', INTERVAL '364 days');
SELECT set_chunk_time_interval('{{agg_1mo}}', INTERVAL '3640 days');
