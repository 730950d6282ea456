-- Roll-ups by names and columns that both editions keep. These plain views are right by themselves, but slow: the files in
-- store/editions/ replace them by views over what each edition has materialised.

-- 15m and 1h count from UTC. No zone is off by anything but quarter-hours today, so 1d and 1mo are made of quarter-hours.
CREATE FUNCTION bucket_start(step text, at timestamptz) RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE step
        WHEN '15m' THEN date_bin('15 minutes', at, '2000-01-01 00:00:00+00')
        WHEN '1h' THEN date_bin('1 hour', at, '2000-01-01 00:00:00+00')
        WHEN '1d' THEN date_trunc('day', at, store_zone())
        WHEN '1mo' THEN date_trunc('month', at, store_zone())
    END
$$;
COMMENT ON FUNCTION bucket_start IS 'The start of the 15m, 1h, 1d or 1mo interval that a time lies in; days and months are local.';

CREATE FUNCTION bucket_end(step text, bucket timestamptz) RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE step
        WHEN '15m' THEN bucket + interval '15 minutes'
        WHEN '1h' THEN bucket + interval '1 hour'
        WHEN '1d' THEN date_add(bucket, interval '1 day', store_zone())
        WHEN '1mo' THEN date_add(bucket, interval '1 month', store_zone())
    END
$$;
COMMENT ON FUNCTION bucket_end IS 'Where the interval that starts at bucket ends: a local day may have 92, 96 or 100 quarter-hours.';

CREATE FUNCTION bucket_next(step text, at timestamptz) RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN bucket_start(step, at) = at THEN at ELSE bucket_end(step, bucket_start(step, at)) END
$$;
COMMENT ON FUNCTION bucket_next IS 'The start of the first interval that does not begin before a time.';

-- What is not rolled up yet is asked for by time alone: BRIN, which costs COPY nothing that can be measured.
CREATE INDEX reading_time ON reading USING brin (time) WITH (pages_per_range = 32, autosummarize = on);

CREATE FUNCTION rollup_decimals(first_value double precision, last_value double precision) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN greatest(scale(first_value::numeric), scale(last_value::numeric));
COMMENT ON FUNCTION rollup_decimals IS 'How many decimals the first and the last reading of an interval have; over some intervals, those of the series.';

-- The sum of a thousand binary fractions is off in some last digits, and its mean may lie beyond the values that it is of.
CREATE FUNCTION rollup_mean(total double precision, readings numeric, low double precision, high double precision, decimals integer)
RETURNS double precision LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN least(high, greatest(low, round((total / readings::double precision)::numeric, least(decimals, 6) + 3)::double precision));
COMMENT ON FUNCTION rollup_mean IS 'The mean with three decimals more than the values have, never below the least nor above the greatest.';

CREATE VIEW rollup_15m AS
SELECT time_bucket('15 minutes', time) AS bucket, series_id, first(value, time) AS first_value, min(time) AS first_at,
       last(value, time) AS last_value, max(time) AS last_at, min(value) AS min_value, max(value) AS max_value,
       rollup_mean(sum(value), count(*), min(value), max(value), rollup_decimals(first(value, time), last(value, time))) AS mean_value,
       count(*) AS readings, sum(value) AS sum_value, rollup_decimals(first(value, time), last(value, time)) AS decimals
FROM reading
GROUP BY 1, 2;

CREATE VIEW rollup_1h AS
SELECT time_bucket('1 hour', bucket) AS bucket, series_id, first(first_value, first_at) AS first_value,
       min(first_at) AS first_at, last(last_value, last_at) AS last_value, max(last_at) AS last_at,
       min(min_value) AS min_value, max(max_value) AS max_value,
       rollup_mean(sum(sum_value), sum(readings), min(min_value), max(max_value), max(decimals)) AS mean_value,
       sum(readings)::bigint AS readings, sum(sum_value) AS sum_value, max(decimals) AS decimals
FROM rollup_15m
GROUP BY 1, 2;

CREATE VIEW rollup_1d AS
SELECT date_trunc('day', bucket, store_zone()) AS bucket, series_id, first(first_value, first_at) AS first_value,
       min(first_at) AS first_at, last(last_value, last_at) AS last_value, max(last_at) AS last_at,
       min(min_value) AS min_value, max(max_value) AS max_value,
       rollup_mean(sum(sum_value), sum(readings), min(min_value), max(max_value), max(decimals)) AS mean_value,
       sum(readings)::bigint AS readings, sum(sum_value) AS sum_value, max(decimals) AS decimals
FROM rollup_15m
GROUP BY 1, 2;

CREATE VIEW rollup_1mo AS
SELECT date_trunc('month', bucket, store_zone()) AS bucket, series_id, first(first_value, first_at) AS first_value,
       min(first_at) AS first_at, last(last_value, last_at) AS last_value, max(last_at) AS last_at,
       min(min_value) AS min_value, max(max_value) AS max_value,
       rollup_mean(sum(sum_value), sum(readings), min(min_value), max(max_value), max(decimals)) AS mean_value,
       sum(readings)::bigint AS readings, sum(sum_value) AS sum_value, max(decimals) AS decimals
FROM rollup_1d
GROUP BY 1, 2;

COMMENT ON VIEW rollup_15m IS 'Each series by quarter-hour: first, last, least, greatest and mean value, how many readings, their sum and decimals.';
COMMENT ON VIEW rollup_1h IS 'As rollup_15m, by hour.';
COMMENT ON VIEW rollup_1d IS 'As rollup_15m, by day of store_zone().';
COMMENT ON VIEW rollup_1mo IS 'As rollup_15m, by month of store_zone().';

CREATE VIEW series_name AS
SELECT s.id AS series_id, s.meter_id, m.device_id, d.name AS device, m.key AS meter,
       -- a meter that no registration has described yet stands at its device and port
       coalesce(p.name, concat_ws('/', d.name, m.port)) AS point,
       s.obis, s.unit, s.kind, m.product
FROM series s
JOIN meter m ON m.id = s.meter_id
LEFT JOIN point p ON p.id = m.point_id
LEFT JOIN device d ON d.id = m.device_id;
COMMENT ON VIEW series_name IS 'What each series measures, where, and by which meter and device.';

GRANT SELECT ON rollup_15m, rollup_1h, rollup_1d, rollup_1mo, series_name
    TO wattline_ingestor, wattline_gateway, wattline_grafana;
