-- Rolling up: the ingestor asks what is due, level by level, and refreshes that. No policies do it: each would know only how old
-- what it refreshes may be, not since when readings are whole; the levels would follow one another after minutes; and a job that
-- fails is put off.

CREATE OR REPLACE FUNCTION rollup_due(step text, until timestamptz)
RETURNS TABLE (aggregate text, low timestamptz, high timestamptz)
LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    WITH level AS (
        SELECT a.user_view_name::text AS aggregate, a.mat_hypertable_id AS id, a.raw_hypertable_id AS source, l.width,
               -- whole intervals only
               bucket_next(step, nullif(l.since, '-infinity')) AS whole_from, bucket_start(step, until) AS closed, (
                   SELECT min(s.range_start) FROM _timescaledb_catalog.dimension d
                   JOIN _timescaledb_catalog.dimension_slice s ON s.dimension_id = d.id
                   WHERE d.hypertable_id = a.raw_hypertable_id AND d.interval_length IS NOT NULL) AS first
        FROM (VALUES ('15m', 'agg_15m', interval '7 days', greatest(kept_since('readings'), kept_since('rollup_15m'))),
                     ('1h', 'agg_1h', interval '28 days', kept_since('rollup_15m')),
                     ('1d', '{{agg_1d}}', interval '91 days', kept_since('rollup_15m')),
                     ('1mo', '{{agg_1mo}}', interval '3640 days', '-infinity')) l (step, aggregate, width, since)
        JOIN _timescaledb_catalog.continuous_agg a ON a.user_view_name = l.aggregate
        WHERE l.step = rollup_due.step
    ), changed AS (
        SELECT lowest_modified_value AS low, greatest_modified_value AS high
        FROM level JOIN _timescaledb_catalog.continuous_aggs_materialization_invalidation_log ON materialization_id = id
        UNION ALL
        SELECT lowest_modified_value, greatest_modified_value
        FROM level JOIN _timescaledb_catalog.continuous_aggs_hypertable_invalidation_log ON hypertable_id = source
    ), clipped AS (
        SELECT greatest(c.low, l.first) AS low, least(c.high, _timescaledb_functions.to_unix_microseconds(l.closed) - 1) AS high
        FROM changed c, level l
        WHERE l.first IS NOT NULL
    ), stretch AS (
        SELECT unnest(range_agg(tstzrange(
            greatest(bucket_start(step, _timescaledb_functions.to_timestamp(c.low)), l.whole_from),
            bucket_end(step, bucket_start(step, _timescaledb_functions.to_timestamp(c.high)))))) AS span
        FROM clipped c, level l
        WHERE c.low <= c.high
              AND bucket_end(step, bucket_start(step, _timescaledb_functions.to_timestamp(c.high))) > coalesce(l.whole_from, '-infinity')
    ), cut AS (
        SELECT span, greatest(lower(span), bucket_start(step, at)) AS low
        FROM stretch, level, generate_series(lower(span), upper(span) - interval '1 microsecond', width) at
    )
    SELECT l.aggregate, c.low, coalesce(lead(c.low) OVER (PARTITION BY span ORDER BY c.low), upper(span))
    FROM cut c, level l
    WHERE NOT isempty(span)
    ORDER BY c.low
$$;
COMMENT ON FUNCTION rollup_due IS 'What has changed in a level before a time and is to be refreshed, so far as it can be made of what is kept.';

CREATE OR REPLACE FUNCTION rollup_behind() RETURNS interval LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT CASE WHEN EXISTS (SELECT FROM reading WHERE time >= shown AND time < now() - interval '16 minutes')
        THEN now() - interval '16 minutes' - greatest(shown, (SELECT min(time) FROM reading WHERE time >= shown)) ELSE interval '0' END
    FROM (SELECT _timescaledb_functions.to_timestamp(w.watermark) AS shown
          FROM _timescaledb_catalog.continuous_agg a
          JOIN _timescaledb_catalog.continuous_aggs_watermark w ON w.mat_hypertable_id = a.mat_hypertable_id
          WHERE a.user_view_name = 'agg_15m') s
$$;
