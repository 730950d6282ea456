-- Readings that no sum can bear (1e100 and beyond: no quantity of any meter) are left out of roll-ups and of what is made of them, and told:
-- one device's must not stop everybody's. New ones do not get in; these are of before.

CREATE FUNCTION rollup_tell(series_ids integer[], hours timestamptz[], since timestamptz, until timestamptz) RETURNS void
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

-- Where a register is followed reading by reading.
DO $$
DECLARE
    before text := pg_get_functiondef('register_points'::regproc);
    after text := replace(before, 'AND time BETWEEN f.first_at AND f.last_at',
                          'AND time BETWEEN f.first_at AND f.last_at AND value BETWEEN -1e100 AND 1e100');
BEGIN
    ASSERT after <> before, 'register_points reads the readings in another way than this migration knows';
    EXECUTE after;
END
$$;
