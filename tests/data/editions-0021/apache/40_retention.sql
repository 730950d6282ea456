-- Retention: this edition has no policies, so the ingestor calls this on a schedule.

CREATE OR REPLACE FUNCTION store_retain() RETURNS TABLE (name text, dropped bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    what record;
    shown timestamptz := (SELECT shown_until FROM rollup_state);
BEGIN
    FOR what IN
        SELECT t.hypertable, store_keep(t.setting) AS keep
        FROM (VALUES ('reading', 'readings'), ('message', 'messages'), ('frame', 'frames'), ('event', 'events'),
                     ('rolled_15m', 'rollup_15m'), ('rolled_1h', 'rollup_1h')) t (hypertable, setting)
    LOOP
        -- nothing goes before it is rolled up
        CONTINUE WHEN what.keep IS NULL OR (what.hypertable = 'reading' AND shown = '-infinity');
        name := what.hypertable;
        SELECT count(*) INTO dropped FROM drop_chunks(what.hypertable, older_than => CASE what.hypertable
            WHEN 'reading' THEN least(now() - what.keep, shown) ELSE now() - what.keep END);
        IF dropped > 0 THEN
            RETURN NEXT;
        END IF;
    END LOOP;
END
$$;
COMMENT ON FUNCTION store_retain IS 'Drops the chunks that are older than the settings keep; returns from which tables how many.';
REVOKE EXECUTE ON FUNCTION store_retain FROM PUBLIC;
GRANT EXECUTE ON FUNCTION store_retain TO wattline_ingestor;
