-- Days and months of {{zone}}: with another zone this file differs, and is applied again.
-- Retention: the ingestor calls this on a schedule.

CREATE OR REPLACE FUNCTION store_retain() RETURNS TABLE (name text, dropped bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    what record;
    shown timestamptz := (SELECT shown_until FROM rollup_state);
BEGIN
    FOR what IN
        SELECT t.hypertable, t.kept, now() - store_keep(t.setting) AS before
        FROM (VALUES ('reading', 'readings', 'readings'), ('message', 'messages', NULL), ('frame', 'frames', NULL),
                     ('event', 'events', NULL), ('rolled_15m', 'rollup_15m', 'rollup_15m'),
                     ('rolled_1h', 'rollup_1h', NULL)) t (hypertable, setting, kept)
    LOOP
        -- nothing goes before it is rolled up
        CONTINUE WHEN what.before IS NULL OR (what.hypertable = 'reading' AND shown = '-infinity');
        name := what.hypertable;
        dropped := store_drop(what.hypertable::regclass,
            CASE what.hypertable WHEN 'reading' THEN least(what.before, shown) ELSE what.before END, what.kept);
        IF dropped > 0 THEN
            RETURN NEXT;
        END IF;
    END LOOP;
END
$$;
COMMENT ON FUNCTION store_retain IS 'Drops the chunks that are older than the settings keep; returns from which tables how many.';
REVOKE EXECUTE ON FUNCTION store_retain FROM PUBLIC;
GRANT EXECUTE ON FUNCTION store_retain TO wattline_ingestor;
