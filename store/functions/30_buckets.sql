-- Where buckets of the roll-ups begin and end, and how their means are rounded.

-- 15m and 1h count from UTC. No zone is off by anything but quarter-hours today, so 1d and 1mo are made of quarter-hours.
CREATE OR REPLACE FUNCTION bucket_start(step text, at timestamptz) RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE step
        WHEN '15m' THEN date_bin('15 minutes', at, '2000-01-01 00:00:00+00')
        WHEN '1h' THEN date_bin('1 hour', at, '2000-01-01 00:00:00+00')
        WHEN '1d' THEN date_trunc('day', at, store_zone())
        WHEN '1mo' THEN date_trunc('month', at, store_zone())
    END
$$;
COMMENT ON FUNCTION bucket_start IS 'The start of the 15m, 1h, 1d or 1mo interval that a time lies in; days and months are local.';

CREATE OR REPLACE FUNCTION bucket_end(step text, bucket timestamptz) RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE step
        WHEN '15m' THEN bucket + interval '15 minutes'
        WHEN '1h' THEN bucket + interval '1 hour'
        WHEN '1d' THEN date_add(bucket, interval '1 day', store_zone())
        WHEN '1mo' THEN date_add(bucket, interval '1 month', store_zone())
    END
$$;
COMMENT ON FUNCTION bucket_end IS 'Where the interval that starts at bucket ends: a local day may have 92, 96 or 100 quarter-hours.';

CREATE OR REPLACE FUNCTION bucket_next(step text, at timestamptz) RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN bucket_start(step, at) = at THEN at ELSE bucket_end(step, bucket_start(step, at)) END
$$;
COMMENT ON FUNCTION bucket_next IS 'The start of the first interval that does not begin before a time.';

CREATE OR REPLACE FUNCTION rollup_decimals(first_value double precision, last_value double precision) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN greatest(scale(first_value::numeric), scale(last_value::numeric));
COMMENT ON FUNCTION rollup_decimals IS 'How many decimals the first and the last reading of an interval have; over some intervals, those of the series.';

-- The sum of a thousand binary fractions is off in some last digits, and its mean may lie beyond the values that it is of.
CREATE OR REPLACE FUNCTION rollup_mean(total double precision, readings numeric, low double precision, high double precision, decimals integer)
RETURNS double precision LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN least(high, greatest(low, round((total / readings::double precision)::numeric, least(decimals, 6) + 3)::double precision));
COMMENT ON FUNCTION rollup_mean IS 'The mean with three decimals more than the values have, never below the least nor above the greatest.';

CREATE OR REPLACE FUNCTION rollup_tell(series_ids integer[], hours timestamptz[], since timestamptz, until timestamptz) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    part text := CASE WHEN series_ids IS NULL THEN 'reading r WHERE r.time >= %1$L::timestamptz AND r.time < %2$L::timestamptz'
        ELSE 'unnest($1, $2) u (series_id, hour) JOIN reading r ON r.series_id = u.series_id AND r.time >= u.hour'
             ' AND r.time < u.hour + interval ''1 hour'' WHERE r.time >= %1$L::timestamptz AND r.time < %2$L::timestamptz' END;
BEGIN
    EXECUTE format($sql$
        INSERT INTO event (received_at, at, device_id, meter_id, source, event, severity, detail)
        SELECT now(), now(), m.device_id, m.id, 'ingestor', 'readings_left_out', 'error', jsonb_build_object(
                   'meter', m.key, 'code', s.obis, 'readings', x.readings, 'from', x.first_at, 'until', x.last_at)
        FROM (
            SELECT r.series_id, count(*) AS readings, min(r.time) AS first_at, max(r.time) AS last_at
            FROM $sql$ || part || $sql$ AND r.value NOT BETWEEN -1e100 AND 1e100
            GROUP BY 1 LIMIT 100
        ) x
        JOIN series s ON s.id = x.series_id
        JOIN meter m ON m.id = s.meter_id
        WHERE NOT EXISTS (
            SELECT FROM event e WHERE e.event = 'readings_left_out' AND e.meter_id = m.id AND e.received_at > now() - interval '1 hour')
        $sql$, since, until)
    USING series_ids, hours;
END
$$;
COMMENT ON FUNCTION rollup_tell IS 'Enters an event for each meter with readings that roll-ups leave out, in a range or in hours of series; once an hour.';

REVOKE EXECUTE ON FUNCTION rollup_tell FROM PUBLIC;
GRANT EXECUTE ON FUNCTION rollup_tell TO wattline_ingestor;
