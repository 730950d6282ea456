-- Values that no sum can bear are left out, here and in the views: they are told by rollup_tell, and no failure of one series' sum
-- is everybody's.

-- Rolling up: the ingestor calls rollup_note, waits for the transactions that may not have seen it, then rollup_step and
-- rollup_again until there is nothing left.

CREATE OR REPLACE FUNCTION rollup_note(until timestamptz) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    UPDATE rollup_state SET noted_until = bucket_start('15m', until) WHERE noted_until < bucket_start('15m', until)
$$;
COMMENT ON FUNCTION rollup_note IS 'From now on readings before this time are noted as late.';

-- Whole intervals of a coarser table from a finer one, of all series. None of them is there yet: a conflict would double the time
-- that an insert takes. In the order of time, so that one time of all series lies together.
CREATE OR REPLACE FUNCTION rollup_fold(target text, source text, step text, since timestamptz, until timestamptz)
RETURNS void LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    EXECUTE format($sql$
        INSERT INTO %I (bucket, series_id, first_at, last_at, first_value, last_value, min_value, max_value, sum_value, readings, decimals)
        SELECT bucket_start(%L, bucket), series_id, min(first_at), max(last_at), first(first_value, first_at),
               last(last_value, last_at), min(min_value), max(max_value), sum(sum_value), sum(readings), max(decimals)
        FROM %I
        WHERE bucket >= %L::timestamptz AND bucket < %L::timestamptz AND min_value >= -1e100 AND max_value <= 1e100
        GROUP BY 1, 2
        ORDER BY 1, 2
        $sql$, target, step, source, since, until);
END
$$;

-- The same of single intervals of single series: those that times at lie in, so far as they end before until.
CREATE OR REPLACE FUNCTION rollup_fold_late(
    target text, source text, step text, series_ids integer[], times timestamptz[], until timestamptz
) RETURNS void LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    low timestamptz := (SELECT bucket_start(step, min(at)) FROM unnest(times) at);
    high timestamptz := (SELECT bucket_end(step, bucket_start(step, max(at))) FROM unnest(times) at);
BEGIN
    EXECUTE format($sql$
        INSERT INTO %I (bucket, series_id, first_at, last_at, first_value, last_value, min_value, max_value, sum_value, readings, decimals)
        SELECT w.bucket, w.series_id, min(first_at), max(last_at), first(first_value, first_at),
               last(last_value, last_at), min(min_value), max(max_value), sum(sum_value), sum(readings), max(decimals)
        FROM (SELECT DISTINCT bucket_start(%L, at) AS bucket, series_id FROM unnest($1, $2) u (series_id, at)) w
        JOIN %I s ON s.series_id = w.series_id AND s.bucket >= w.bucket AND s.bucket < bucket_end(%L, w.bucket)
                  AND s.bucket >= %L::timestamptz AND s.bucket < %L::timestamptz
        WHERE bucket_end(%L, w.bucket) <= $3 AND s.min_value >= -1e100 AND s.max_value <= 1e100
        GROUP BY 1, 2
        ON CONFLICT (series_id, bucket) DO UPDATE
        SET (first_at, last_at, first_value, last_value, min_value, max_value, sum_value, readings, decimals) =
            (excluded.first_at, excluded.last_at, excluded.first_value, excluded.last_value, excluded.min_value,
             excluded.max_value, excluded.sum_value, excluded.readings, excluded.decimals)
        $sql$, target, step, source, step, low, high, step)
    USING series_ids, times, until;
END
$$;

-- Quarter-hours of all series from readings, none of which is there yet.
CREATE OR REPLACE FUNCTION rollup_read(since timestamptz, until timestamptz)
RETURNS bigint LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    count bigint;
BEGIN
    EXECUTE format($sql$
        INSERT INTO rolled_15m (bucket, series_id, first_at, last_at, first_value, last_value, min_value, max_value, sum_value, readings, decimals)
        SELECT time_bucket('15 minutes', time), series_id, min(time), max(time), first(value, time), last(value, time),
               min(value), max(value), sum(value), count(*),
               rollup_decimals(first(value, time), last(value, time))
        FROM reading
        WHERE time >= %L::timestamptz AND time < %L::timestamptz AND value BETWEEN -1e100 AND 1e100
        GROUP BY 1, 2
        ORDER BY 1, 2
        $sql$, since, until);
    GET DIAGNOSTICS count = ROW_COUNT;
    RETURN count;
END
$$;

-- Quarter-hours of hours of series anew.
CREATE OR REPLACE FUNCTION rollup_read_late(series_ids integer[], hours timestamptz[], since timestamptz, until timestamptz)
RETURNS void LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
BEGIN
    EXECUTE format($sql$
        INSERT INTO rolled_15m (bucket, series_id, first_at, last_at, first_value, last_value, min_value, max_value, sum_value, readings, decimals)
        SELECT time_bucket('15 minutes', r.time), r.series_id, min(r.time), max(r.time), first(r.value, r.time),
               last(r.value, r.time), min(r.value), max(r.value), sum(r.value), count(*),
               rollup_decimals(first(r.value, r.time), last(r.value, r.time))
        FROM unnest($1, $2) u (series_id, hour)
        JOIN reading r ON r.series_id = u.series_id AND r.time >= u.hour AND r.time < u.hour + interval '1 hour'
        WHERE r.time >= %L::timestamptz AND r.time < %L::timestamptz AND r.value BETWEEN -1e100 AND 1e100
        GROUP BY 1, 2
        ON CONFLICT (series_id, bucket) DO UPDATE
        SET (first_at, last_at, first_value, last_value, min_value, max_value, sum_value, readings, decimals) =
            (excluded.first_at, excluded.last_at, excluded.first_value, excluded.last_value, excluded.min_value,
             excluded.max_value, excluded.sum_value, excluded.readings, excluded.decimals)
        $sql$, since, until)
    USING series_ids, hours;
END
$$;

-- All four levels over [since, until); the coarser ones from whole on, where their last interval ended.
CREATE OR REPLACE FUNCTION rollup_stretch(since timestamptz, until timestamptz, whole timestamptz) RETURNS bigint
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    written bigint := rollup_read(since, until);
BEGIN
    PERFORM rollup_fold('rolled_1h', 'rolled_15m', '1h', bucket_start('1h', whole), bucket_start('1h', until));
    PERFORM rollup_fold('rolled_1d', 'rolled_15m', '1d', bucket_start('1d', whole), bucket_start('1d', until));
    PERFORM rollup_fold('rolled_1mo', 'rolled_1d', '1mo', bucket_start('1mo', whole), bucket_start('1mo', until));
    RETURN written;
END
$$;

CREATE OR REPLACE FUNCTION rollup_step(width interval)
RETURNS TABLE (shown_until timestamptz, behind interval, written bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp SET work_mem = '64MB' AS $$
DECLARE
    state rollup_state := (SELECT s FROM rollup_state s FOR UPDATE);
    -- where nothing is stored nothing is to be read; chunks know that without a look at the readings
    since timestamptz := greatest(state.shown_until, (
        SELECT min(c.range_start) FROM timescaledb_information.chunks c
        WHERE c.hypertable_name = 'reading' AND c.range_end > state.shown_until));
    until timestamptz;
    whole timestamptz;
BEGIN
    since := coalesce(bucket_start('15m', nullif(since, '-infinity')), state.noted_until);
    -- a mark that was set back further than readings are whole would replace the roll-ups of those that are gone
    since := greatest(since, kept_since('readings'), kept_since('rollup_15m'));
    until := least(state.noted_until, since + width);
    written := 0;
    IF since < until THEN
        whole := least(since, nullif(state.shown_until, '-infinity'));
        BEGIN
            written := rollup_stretch(since, until, whole);
        EXCEPTION WHEN unique_violation THEN
            -- somebody has set the mark back, to have it rolled up again; not what lies before the readings that there are
            whole := since;
            DELETE FROM rolled_15m WHERE bucket >= since AND bucket < until;
            DELETE FROM rolled_1h WHERE bucket >= bucket_start('1h', whole) AND bucket < bucket_start('1h', until);
            DELETE FROM rolled_1d WHERE bucket >= bucket_start('1d', whole) AND bucket < bucket_start('1d', until);
            DELETE FROM rolled_1mo WHERE bucket >= bucket_start('1mo', whole) AND bucket < bucket_start('1mo', until);
            written := rollup_stretch(since, until, whole);
        END;
        PERFORM rollup_tell(NULL, NULL, since, until);
    END IF;
    UPDATE rollup_state SET shown_until = greatest(state.shown_until, until);
    shown_until := greatest(state.shown_until, until);
    behind := CASE WHEN shown_until = state.noted_until THEN interval '0' ELSE state.noted_until - shown_until END;
    RETURN NEXT;
END
$$;
COMMENT ON FUNCTION rollup_step IS 'Rolls up the next stretch of time, at most so wide; behind is what is still left.';

CREATE OR REPLACE FUNCTION rollup_again(most integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    shown timestamptz := (SELECT s.shown_until FROM rollup_state s FOR UPDATE);
    -- before it the readings that made the roll-up are gone, and what came since must not replace it
    oldest timestamptz := greatest(kept_since('readings'), kept_since('rollup_15m'));
    ids integer[];
    hours timestamptz[];
    count bigint;
BEGIN
    WITH taken AS (
        DELETE FROM rollup_late WHERE ctid = ANY (ARRAY(SELECT ctid FROM rollup_late ORDER BY hour LIMIT most))
        RETURNING series_id, hour
    ), known AS (
        SELECT DISTINCT series_id, hour FROM taken WHERE hour >= oldest
    )
    SELECT array_agg(series_id ORDER BY hour), array_agg(hour ORDER BY hour) INTO ids, hours FROM known;
    IF ids IS NULL THEN
        RETURN 0;
    END IF;
    PERFORM rollup_read_late(ids, hours, hours[1], least(shown, hours[cardinality(hours)] + interval '1 hour'));
    PERFORM rollup_tell(ids, hours, hours[1], hours[cardinality(hours)] + interval '1 hour');
    PERFORM rollup_fold_late('rolled_1h', 'rolled_15m', '1h', ids, hours, shown);
    count := cardinality(hours);
    -- where midnight lies within an hour of UTC, the hour's readings may be of two days; not those whose quarter-hours are gone
    SELECT array_agg(id ORDER BY h), array_agg(h ORDER BY h) INTO ids, hours
    FROM (SELECT id, hour + part AS h FROM unnest(ids, hours) u (id, hour),
          unnest(ARRAY[interval '0', interval '45 minutes']) part) w
    WHERE bucket_start('1d', h) >= kept_since('rollup_15m');
    IF ids IS NOT NULL THEN
        PERFORM rollup_fold_late('rolled_1d', 'rolled_15m', '1d', ids, hours, bucket_start('1d', shown));
        PERFORM rollup_fold_late('rolled_1mo', 'rolled_1d', '1mo', ids, hours, bucket_start('1mo', shown));
    END IF;
    RETURN count;
END
$$;
COMMENT ON FUNCTION rollup_again IS 'Rolls up at most so many late hours of series again; returns how many there were.';

-- After the zone was changed: days and months anew, as far as quarter-hours are kept.
CREATE OR REPLACE FUNCTION rollup_rezone() RETURNS void LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    shown timestamptz := (SELECT nullif(s.shown_until, '-infinity') FROM rollup_state s FOR UPDATE);
    since timestamptz := greatest(kept_since('rollup_15m'), (
        SELECT min(range_start) FROM timescaledb_information.chunks WHERE hypertable_name = 'rolled_15m'));
BEGIN
    -- those of the zone before begin up to a day earlier or later than those that are made now
    DELETE FROM rolled_1d WHERE last_at >= since;
    DELETE FROM rolled_1mo WHERE bucket >= bucket_start('1mo', since) - interval '2 days';
    PERFORM rollup_fold('rolled_1d', 'rolled_15m', '1d', since, bucket_start('1d', shown));
    PERFORM rollup_fold('rolled_1mo', 'rolled_1d', '1mo', bucket_start('1mo', since), bucket_start('1mo', shown));
END
$$;

REVOKE EXECUTE ON FUNCTION rollup_note, rollup_fold, rollup_fold_late, rollup_read, rollup_read_late, rollup_stretch, rollup_step,
    rollup_again, rollup_rezone FROM PUBLIC;
GRANT EXECUTE ON FUNCTION rollup_note, rollup_step, rollup_again TO wattline_ingestor;

CREATE OR REPLACE FUNCTION rollup_behind() RETURNS interval LANGUAGE sql STABLE SET search_path = public, pg_temp AS $$
    SELECT greatest(interval '0', now() - interval '16 minutes' - coalesce(
        (SELECT nullif(shown_until, '-infinity') FROM rollup_state), (SELECT min(time) FROM reading), now()))
$$;
