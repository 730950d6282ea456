-- After readings were deleted or changed by hand, which no trigger notes: whole days of some series anew, so far as readings and
-- quarter-hours are kept. What no reading stands for any more goes.
CREATE OR REPLACE FUNCTION rollup_anew(series integer[], since timestamptz, until timestamptz) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    -- locked, so that nothing else is rolled up meanwhile
    shown timestamptz := (SELECT nullif(s.shown_until, '-infinity') FROM rollup_state s FOR UPDATE);
    kept timestamptz := greatest(kept_since('readings'), kept_since('rollup_15m'));
    low timestamptz := CASE WHEN bucket_start('1d', since) < kept THEN bucket_next('1d', kept) ELSE bucket_start('1d', since) END;
    high timestamptz := least(bucket_next('1d', until), shown);
    last timestamptz := high - interval '1 microsecond';
    ids integer[];
    hours timestamptz[];
BEGIN
    IF shown IS NULL OR low >= high THEN
        RETURN 0;
    END IF;
    DELETE FROM rolled_15m WHERE series_id = ANY (series) AND bucket >= low AND bucket < high;
    DELETE FROM rolled_1h WHERE series_id = ANY (series) AND bucket >= bucket_next('1h', low) AND bucket < bucket_start('1h', high);
    DELETE FROM rolled_1d WHERE series_id = ANY (series) AND bucket >= low AND bucket < bucket_start('1d', high);
    DELETE FROM rolled_1mo WHERE series_id = ANY (series) AND bucket >= bucket_start('1mo', low) AND bucket <= bucket_start('1mo', last)
                                 AND bucket < bucket_start('1mo', shown);
    SELECT array_agg(s ORDER BY h), array_agg(h ORDER BY h) INTO ids, hours
    FROM unnest(series) s, generate_series(bucket_start('1h', low), last, interval '1 hour') h;
    PERFORM rollup_read_late(ids, hours, low, high);
    PERFORM rollup_fold_late('rolled_1h', 'rolled_15m', '1h', ids, hours, shown);
    -- where midnight lies within an hour of UTC, the hour's readings may be of two days
    SELECT array_agg(id ORDER BY h), array_agg(h ORDER BY h) INTO ids, hours
    FROM (SELECT id, hour + part AS h FROM unnest(ids, hours) u (id, hour),
          unnest(ARRAY[interval '0', interval '45 minutes']) part) w
    WHERE h >= low AND h < high;
    PERFORM rollup_fold_late('rolled_1d', 'rolled_15m', '1d', ids, hours, bucket_start('1d', shown));
    PERFORM rollup_fold_late('rolled_1mo', 'rolled_1d', '1mo', ids, hours, bucket_start('1mo', shown));
    RETURN (SELECT count(*) FROM rolled_15m WHERE series_id = ANY (series) AND bucket >= low AND bucket < high);
END
$$;
COMMENT ON FUNCTION rollup_anew IS 'Makes the roll-ups of whole days of some series anew; returns how many quarter-hours they have.';
REVOKE EXECUTE ON FUNCTION rollup_anew FROM PUBLIC;
GRANT EXECUTE ON FUNCTION rollup_anew TO wattline_ingestor;
