-- Since when all that was stored is still there. What retention has taken was rolled up before, and what is left of it, or comes
-- late for that time, must never replace those roll-ups: so nothing is rolled up again from before these times.

CREATE TABLE store_kept (
    what  text PRIMARY KEY CHECK (what IN ('readings', 'rollup_15m')),
    since timestamptz NOT NULL
);
COMMENT ON TABLE store_kept IS 'From when on readings and quarter-hours are whole: retention has taken some of what lies before.';
GRANT SELECT ON store_kept TO wattline_ingestor, wattline_gateway, wattline_grafana;

CREATE FUNCTION kept_since(kept text) RETURNS timestamptz LANGUAGE sql STABLE AS $$
    SELECT coalesce((SELECT since FROM store_kept WHERE what = kept), '-infinity')
$$;
COMMENT ON FUNCTION kept_since IS 'From when on all readings, or all rollup_15m, that ever were are still there; -infinity: always.';

CREATE FUNCTION store_drop(hypertable regclass, before timestamptz, kept text) RETURNS bigint
LANGUAGE plpgsql SET search_path = public, pg_temp AS $$
DECLARE
    gone bigint;
    until timestamptz;
BEGIN
    SELECT count(*), max(c.range_end) INTO gone, until
    FROM show_chunks(hypertable, older_than => before) s
    JOIN timescaledb_information.chunks c ON format('%I.%I', c.chunk_schema, c.chunk_name)::regclass = s;
    IF gone > 0 THEN
        PERFORM drop_chunks(hypertable, older_than => before);
        INSERT INTO store_kept (what, since) SELECT kept, until WHERE kept IS NOT NULL
        ON CONFLICT (what) DO UPDATE SET since = greatest(store_kept.since, excluded.since);
    END IF;
    RETURN gone;
END
$$;
COMMENT ON FUNCTION store_drop IS 'Drops the chunks that end before a time and notes it as kept_since(kept); returns how many there were.';
REVOKE EXECUTE ON FUNCTION store_drop FROM PUBLIC;

-- What retention has taken from databases of before: the last stretch without a chunk that has a roll-up.
DO $$
DECLARE
    level record;
    gap record;
    hit boolean;
    shown timestamptz;
BEGIN
    -- The views also roll up what no table has yet: only what is in a table tells of readings that are gone.
    IF EXISTS (SELECT FROM timescaledb_information.continuous_aggregates WHERE view_name LIKE 'agg\_1d\_%') THEN
        SELECT min(to_timestamp(w.watermark / 1e6)) FILTER (WHERE w.watermark > 0) INTO shown
        FROM _timescaledb_catalog.continuous_agg a
        JOIN _timescaledb_catalog.continuous_aggs_watermark w USING (mat_hypertable_id)
        WHERE a.user_view_name LIKE 'agg\_1d\_%';
    ELSIF to_regproc('rollup_shown') IS NOT NULL THEN
        EXECUTE 'SELECT rollup_shown(''1d'')' INTO shown;
    END IF;
    IF shown IS NULL OR NOT isfinite(shown) THEN
        RETURN;
    END IF;
    FOR level IN
        SELECT 'readings' AS kept, 'public' AS schema, 'reading' AS name
        UNION ALL
        SELECT 'rollup_15m', 'public', 'rolled_15m' WHERE to_regclass('rolled_15m') IS NOT NULL
        UNION ALL
        SELECT 'rollup_15m', materialization_hypertable_schema, materialization_hypertable_name
        FROM timescaledb_information.continuous_aggregates WHERE view_name = 'agg_15m'
    LOOP
        FOR gap IN
            SELECT coalesce(max(range_end) OVER (ORDER BY range_start ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING),
                            '-infinity') AS low, range_start AS high
            FROM (
                SELECT DISTINCT range_start, range_end FROM timescaledb_information.chunks
                WHERE hypertable_schema = level.schema AND hypertable_name = level.name
                UNION
                SELECT t, t FROM date_trunc('day', now(), 'UTC') t
            ) c
            ORDER BY high DESC
        LOOP
            CONTINUE WHEN gap.low >= gap.high;
            EXECUTE format('SELECT EXISTS (SELECT FROM rollup_1d WHERE bucket >= %1$L::timestamptz AND bucket < %2$L::timestamptz'
                ' AND bucket < %3$L::timestamptz AND last_at < %2$L::timestamptz)', gap.low, gap.high, shown) INTO hit;
            IF NOT hit AND level.kept = 'readings' THEN
                EXECUTE format('SELECT EXISTS (SELECT FROM rollup_1h WHERE bucket >= %L::timestamptz AND bucket < %L::timestamptz)',
                    gap.low, least(gap.high, shown)) INTO hit;
            END IF;
            IF hit THEN
                INSERT INTO store_kept (what, since) VALUES (level.kept, gap.high) ON CONFLICT DO NOTHING;
                EXIT;
            END IF;
        END LOOP;
    END LOOP;
END
$$;
