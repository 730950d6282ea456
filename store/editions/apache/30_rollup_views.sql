-- The roll-ups: what is materialised, and behind it the readings since; without values that no sum can bear.

CREATE OR REPLACE VIEW rollup_15m AS
SELECT bucket, series_id, first_value, first_at, last_value, last_at, min_value, max_value,
       rollup_mean(sum_value, readings, min_value, max_value, decimals) AS mean_value, readings, sum_value, decimals
FROM rolled_15m
WHERE bucket < rollup_shown('15m') AND min_value >= -1e100 AND max_value <= 1e100
UNION ALL
SELECT time_bucket('15 minutes', time), series_id, first(value, time), min(time), last(value, time), max(time),
       min(value), max(value),
       rollup_mean(sum(value), count(*), min(value), max(value), rollup_decimals(first(value, time), last(value, time))),
       count(*), sum(value), rollup_decimals(first(value, time), last(value, time))
FROM reading
WHERE time >= rollup_shown('15m') AND value BETWEEN -1e100 AND 1e100
GROUP BY 1, 2;

CREATE OR REPLACE VIEW rollup_1h AS
SELECT bucket, series_id, first_value, first_at, last_value, last_at, min_value, max_value,
       rollup_mean(sum_value, readings, min_value, max_value, decimals) AS mean_value, readings, sum_value, decimals
FROM rolled_1h
WHERE bucket < rollup_shown('1h') AND min_value >= -1e100 AND max_value <= 1e100
UNION ALL
SELECT time_bucket('1 hour', bucket), series_id, first(first_value, first_at), min(first_at), last(last_value, last_at),
       max(last_at), min(min_value), max(max_value),
       rollup_mean(sum(sum_value), sum(readings), min(min_value), max(max_value), max(decimals)),
       sum(readings)::bigint, sum(sum_value), max(decimals)
FROM rollup_15m
WHERE bucket >= rollup_shown('1h')
GROUP BY 1, 2;

-- The running day is of hours where the zone's midnights allow that: a quarter of the rows.
CREATE OR REPLACE VIEW rollup_1d AS
SELECT bucket, series_id, first_value, first_at, last_value, last_at, min_value, max_value,
       rollup_mean(sum_value, readings, min_value, max_value, decimals) AS mean_value, readings, sum_value, decimals
FROM rolled_1d
WHERE bucket < rollup_shown('1d') AND min_value >= -1e100 AND max_value <= 1e100
UNION ALL
SELECT date_trunc('day', bucket, store_zone()), series_id, first(first_value, first_at), min(first_at),
       last(last_value, last_at), max(last_at), min(min_value), max(max_value),
       rollup_mean(sum(sum_value), sum(readings), min(min_value), max(max_value), max(decimals)),
       sum(readings)::bigint, sum(sum_value), max(decimals)
FROM {{day_source}}
WHERE bucket >= rollup_shown('1d')
GROUP BY 1, 2;

CREATE OR REPLACE VIEW rollup_1mo AS
SELECT bucket, series_id, first_value, first_at, last_value, last_at, min_value, max_value,
       rollup_mean(sum_value, readings, min_value, max_value, decimals) AS mean_value, readings, sum_value, decimals
FROM rolled_1mo
WHERE bucket < rollup_shown('1mo') AND min_value >= -1e100 AND max_value <= 1e100
UNION ALL
SELECT date_trunc('month', bucket, store_zone()), series_id, first(first_value, first_at), min(first_at),
       last(last_value, last_at), max(last_at), min(min_value), max(max_value),
       rollup_mean(sum(sum_value), sum(readings), min(min_value), max(max_value), max(decimals)),
       sum(readings)::bigint, sum(sum_value), max(decimals)
FROM rollup_1d
WHERE bucket >= rollup_shown('1mo')
GROUP BY 1, 2;

-- A function, as an update of TimescaleDB makes its information views anew and can't while a view stands on them.
CREATE OR REPLACE FUNCTION store_sizes() RETURNS TABLE (
    name text, chunks bigint, compressed_chunks bigint, bytes bigint, bytes_before_compression bigint, bytes_after_compression bigint
) LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT h.hypertable_name::text, count(c.chunk_name), 0::bigint,
           hypertable_size(format('%I.%I', h.hypertable_schema, h.hypertable_name)::regclass), NULL::bigint, NULL::bigint
    FROM timescaledb_information.hypertables h
    LEFT JOIN timescaledb_information.chunks c USING (hypertable_schema, hypertable_name)
    GROUP BY h.hypertable_schema, h.hypertable_name
$$;
-- With the collation that the information views give to names: a view that is replaced must keep it.
CREATE OR REPLACE VIEW store_size AS
SELECT name COLLATE "C" AS name, chunks, compressed_chunks, bytes, bytes_before_compression, bytes_after_compression FROM store_sizes();
COMMENT ON VIEW store_size IS 'Each hypertable with its chunks and bytes; this edition does not compress.';
GRANT SELECT ON store_size TO wattline_ingestor, wattline_gateway, wattline_grafana;
-- Days and months of {{zone}}: with another zone this file differs, and is applied again.
