-- The names that everybody reads, over the continuous aggregates.

CREATE OR REPLACE VIEW rollup_15m AS
SELECT bucket, series_id, first_value, first_at, last_value, last_at, min_value, max_value,
       rollup_mean(sum_value, readings, min_value, max_value, decimals) AS mean_value, readings, sum_value, decimals
FROM agg_15m
WHERE min_value >= -1e100 AND max_value <= 1e100;

CREATE OR REPLACE VIEW rollup_1h AS
SELECT bucket, series_id, first_value, first_at, last_value, last_at, min_value, max_value,
       rollup_mean(sum_value, readings, min_value, max_value, decimals) AS mean_value, readings, sum_value, decimals
FROM agg_1h
WHERE min_value >= -1e100 AND max_value <= 1e100;

CREATE OR REPLACE VIEW rollup_1d AS
SELECT bucket, series_id, first_value, first_at, last_value, last_at, min_value, max_value,
       rollup_mean(sum_value, readings, min_value, max_value, decimals) AS mean_value, readings, sum_value, decimals
FROM {{agg_1d}}
WHERE min_value >= -1e100 AND max_value <= 1e100;

CREATE OR REPLACE VIEW rollup_1mo AS
SELECT bucket, series_id, first_value, first_at, last_value, last_at, min_value, max_value,
       rollup_mean(sum_value, readings, min_value, max_value, decimals) AS mean_value, readings, sum_value, decimals
FROM {{agg_1mo}}
WHERE min_value >= -1e100 AND max_value <= 1e100;

-- A function, as an update of TimescaleDB makes its information views anew and can't while a view stands on them.
CREATE OR REPLACE FUNCTION store_sizes() RETURNS TABLE (
    name text, chunks bigint, compressed_chunks bigint, bytes bigint, bytes_before_compression bigint, bytes_after_compression bigint
) LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    WITH known AS (
        SELECT hypertable_name::text AS name, hypertable_schema AS schema, hypertable_name AS hypertable,
               compression_enabled AS compressed
        FROM timescaledb_information.hypertables
        UNION ALL
        SELECT view_name::text, materialization_hypertable_schema, materialization_hypertable_name, compression_enabled
        FROM timescaledb_information.continuous_aggregates
    )
    SELECT k.name, count(c.chunk_name), count(*) FILTER (WHERE c.is_compressed),
           hypertable_size(format('%I.%I', k.schema, k.hypertable)::regclass),
           s.before_compression_total_bytes, s.after_compression_total_bytes
    FROM known k
    LEFT JOIN timescaledb_information.chunks c ON c.hypertable_schema = k.schema AND c.hypertable_name = k.hypertable
    LEFT JOIN LATERAL hypertable_compression_stats(CASE WHEN k.compressed
        THEN format('%I.%I', k.schema, k.hypertable)::regclass END) s ON true
    GROUP BY k.name, k.schema, k.hypertable, s.before_compression_total_bytes, s.after_compression_total_bytes
$$;
-- With the collation that the information views give to names: a view that is replaced must keep it.
CREATE OR REPLACE VIEW store_size AS
SELECT name COLLATE "C" AS name, chunks, compressed_chunks, bytes, bytes_before_compression, bytes_after_compression FROM store_sizes();
COMMENT ON VIEW store_size IS 'Each hypertable with its chunks and bytes, and what compression made of the compressed ones.';
GRANT SELECT ON store_size TO wattline_ingestor, wattline_gateway, wattline_grafana;
