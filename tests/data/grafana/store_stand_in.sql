-- TEMPORARY: simple versions of what branch `store` makes (roll-ups, consumption, gaps, sizes), with the same names and columns.
-- Delete this file, and its use in tests/grafana_data.py, once that branch is merged.

CREATE FUNCTION store_zone() RETURNS text LANGUAGE sql STABLE AS $$ SELECT 'Europe/Warsaw' $$;

CREATE VIEW series_name AS
SELECT s.id AS series_id, m.id AS meter_id, d.id AS device_id, d.name AS device, m.key AS meter,
       concat_ws(' ', d.name, m.port) AS point, s.obis, s.unit, s.kind, m.product
FROM series s JOIN meter m ON m.id = s.meter_id LEFT JOIN device d ON d.id = m.device_id;

CREATE VIEW rollup_15m AS
SELECT time_bucket('15 minutes', time) AS bucket, series_id, first(value, time) AS first_value, min(time) AS first_at,
       last(value, time) AS last_value, max(time) AS last_at, min(value) AS min_value, max(value) AS max_value,
       avg(value) AS mean_value, count(*) AS readings
FROM reading GROUP BY 1, 2;
CREATE VIEW rollup_1h AS
SELECT time_bucket('1 hour', time) AS bucket, series_id, first(value, time) AS first_value, min(time) AS first_at,
       last(value, time) AS last_value, max(time) AS last_at, min(value) AS min_value, max(value) AS max_value,
       avg(value) AS mean_value, count(*) AS readings
FROM reading GROUP BY 1, 2;
CREATE VIEW rollup_1d AS
SELECT date_trunc('day', time, 'Europe/Warsaw') AS bucket, series_id, first(value, time) AS first_value, min(time) AS first_at,
       last(value, time) AS last_value, max(time) AS last_at, min(value) AS min_value, max(value) AS max_value,
       avg(value) AS mean_value, count(*) AS readings
FROM reading GROUP BY 1, 2;
CREATE VIEW rollup_1mo AS
SELECT date_trunc('month', time, 'Europe/Warsaw') AS bucket, series_id, first(value, time) AS first_value,
       min(time) AS first_at, last(value, time) AS last_value, max(time) AS last_at, min(value) AS min_value,
       max(value) AS max_value, avg(value) AS mean_value, count(*) AS readings
FROM reading GROUP BY 1, 2;

DO $do$
DECLARE step text; width text;
BEGIN
    FOREACH step IN ARRAY ARRAY['15m', '1h', '1d', '1mo'] LOOP
        width := CASE step WHEN '15m' THEN '15 minutes' WHEN '1h' THEN '1 hour' WHEN '1d' THEN '1 day' ELSE '1 month' END;
        EXECUTE format($f$
            CREATE FUNCTION consumption_%1$s(since timestamptz, until timestamptz, series_ids integer[] DEFAULT NULL)
            RETURNS TABLE (bucket timestamptz, bucket_end timestamptz, series_id integer, value numeric, estimated boolean, flag text)
            LANGUAGE sql STABLE SECURITY DEFINER AS $b$
                SELECT r.bucket, date_add(r.bucket, %2$L, 'Europe/Warsaw'), r.series_id,
                       round((coalesce(r.next_value, r.last_value) - r.first_value)::numeric, 3), false, NULL::text
                FROM (SELECT u.*, lead(u.first_value) OVER (PARTITION BY u.series_id ORDER BY u.bucket) AS next_value
                      FROM rollup_%1$s u
                      WHERE (series_ids IS NULL OR u.series_id = ANY (series_ids))
                            AND u.bucket >= since AND u.bucket < date_add(until, %2$L, 'Europe/Warsaw')) r
                WHERE r.bucket < until
            $b$ $f$, step, width);
    END LOOP;
END $do$;

CREATE FUNCTION meter_gap_between(since timestamptz, until timestamptz)
RETURNS TABLE (device text, meter text, meter_id integer, from_at timestamptz, until_at timestamptz, cadence_s double precision,
               missing integer, open boolean)
LANGUAGE sql STABLE SECURITY DEFINER AS $$
    SELECT n.device, n.meter, n.meter_id, r.from_at, r.until_at, 900.0::double precision,
           (extract(epoch FROM r.until_at - r.from_at) / 900)::integer - 1, false
    FROM (SELECT series_id, time AS from_at, lead(time) OVER (PARTITION BY series_id ORDER BY time) AS until_at
          FROM reading WHERE time >= since AND time < until) r
    JOIN series_name n ON n.series_id = r.series_id AND n.obis IN ('1-0:1.8.0', '1-0:1.8.1')
    WHERE r.until_at - r.from_at > INTERVAL '16 minutes'
$$;
CREATE VIEW meter_gap AS SELECT * FROM meter_gap_between(now() - INTERVAL '1 day', now());

CREATE VIEW store_size AS
SELECT 'reading'::text AS table_name, 3::bigint AS chunks, 1::bigint AS compressed_chunks, 1024::bigint AS bytes,
       4096::bigint AS bytes_uncompressed
UNION ALL SELECT 'message', 2, 0, 2048, 2048;

GRANT SELECT ON series_name, rollup_15m, rollup_1h, rollup_1d, rollup_1mo, meter_gap, store_size TO wattline_grafana;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO wattline_grafana;
