-- What registers consumed in each interval, in the register's own decimals. Where a register only rises, the roll-ups' first and
-- last readings say all; where it falls or starts at zero, the readings themselves are followed one by one.

CREATE FUNCTION register_digits(series_id integer) RETURNS integer LANGUAGE sql STABLE AS $$
    SELECT coalesce(
        (SELECT (p ->> 'digits')::integer FROM jsonb_array_elements(d.document -> 'points') p WHERE p ->> 'obis' = s.obis),
        (d.document ->> 'digits')::integer)
    FROM series s
    JOIN meter m ON m.id = s.meter_id
    JOIN spec d ON d.name || '@' || d.version = m.spec
    WHERE s.id = register_digits.series_id
$$;
COMMENT ON FUNCTION register_digits IS 'Whole digits of a register, by its meter''s spec: it rolls over at 10 to this power. Null where unknown.';

-- First and last readings where intervals rise, all readings where they do not.
CREATE FUNCTION register_points(series integer, source text, since timestamptz, until timestamptz)
RETURNS TABLE (at timestamptz, value double precision) LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN QUERY EXECUTE format($sql$
        WITH item AS (
            SELECT first_at, first_value, last_at, last_value,
                   min_value < first_value OR max_value > last_value OR first_value = 0
                   OR coalesce(lag(last_value) OVER w > first_value, false)
                   OR coalesce(lead(first_value) OVER w < last_value, false) AS odd
            FROM %I
            WHERE series_id = $1 AND bucket > $2 - interval '2 days' AND bucket <= $3 AND last_at >= $2 AND first_at <= $3
            WINDOW w AS (ORDER BY bucket)
        )
        SELECT r.time, r.value
        FROM item i CROSS JOIN LATERAL (
            SELECT time, value FROM reading WHERE series_id = $1 AND time BETWEEN i.first_at AND i.last_at
        ) r WHERE i.odd
        UNION SELECT first_at, first_value FROM item
        UNION SELECT last_at, last_value FROM item
        ORDER BY 1
        $sql$, source)
    USING series, since, until;
END
$$;

-- The register as it would stand had it never fallen. Of a reading that is lower or higher than those around it nothing is
-- counted (dip), over the top of a register with known digits it goes on (rollover), and what it counted around another
-- fall nobody knows (reset): that is nothing, for energy must not come of nowhere.
CREATE FUNCTION register_traced(series integer, step text, since timestamptz, until timestamptz)
RETURNS TABLE (
    bucket timestamptz, first_at timestamptz, first_value numeric, last_at timestamptz, last_value numeric, flag text
) LANGUAGE plpgsql STABLE AS $$
DECLARE
    ahead CONSTANT integer := 10;
    source text := CASE step WHEN '1mo' THEN 'rollup_1d' ELSE 'rollup_15m' END;
    size numeric := round(10::numeric ^ register_digits(series));
    times timestamptz[];
    given double precision[];
    stands numeric[] := '{}';
    flags text[] := '{}';
    total numeric;
    low double precision;
    top double precision;
    last integer := 1;
    next integer;
    mark text;
BEGIN
    SELECT array_agg(p.at ORDER BY p.at), array_agg(p.value ORDER BY p.at) INTO times, given
    FROM register_points(series, source, since, until) p;
    IF times IS NULL THEN
        RETURN;
    END IF;
    -- a fall of before may end here
    SELECT max(d.max_value) INTO top FROM rollup_1d d
    WHERE d.series_id = series AND d.bucket >= since - interval '40 days' AND d.bucket < since AND d.last_at < since;
    low := given[1];
    top := CASE WHEN top > low THEN top END;
    total := given[1]::numeric;
    stands[1] := total;
    flags[1] := NULL;
    FOR i IN 2 .. cardinality(given) LOOP
        mark := NULL;
        -- the first of the next readings that leaves the level of this one
        next := i + 1;
        WHILE next <= least(i + ahead, cardinality(given))
              AND (CASE WHEN given[i] >= given[last] THEN given[next] >= given[i] ELSE given[next] < given[last] END) LOOP
            next := next + 1;
        END LOOP;
        IF next > least(i + ahead, cardinality(given)) THEN
            next := NULL;
        END IF;
        IF given[i] = given[last] THEN
            last := i;
        ELSIF given[i] > given[last] THEN
            IF top IS NOT NULL AND given[i] >= top AND given[i] - given[last] >= (top - low) / 2 THEN
                -- back from a long dip, which looked like a reset
                total := total + given[i]::numeric - top::numeric;
                mark := 'dip';
                top := NULL;
                last := i;
            ELSIF given[next] >= given[last] THEN
                stands[i] := NULL;
                flags[i] := 'dip';
                CONTINUE;
            ELSE
                total := total + given[i]::numeric - given[last]::numeric;
                last := i;
            END IF;
        ELSIF given[next] >= given[last]
              AND (next = i + 1 OR given[next] - given[next - 1] >= (given[last] - given[i]) / 2) THEN
            stands[i] := NULL;
            flags[i] := 'dip';
            CONTINUE;
        ELSIF size IS NOT NULL AND given[i]::numeric + size - given[last]::numeric BETWEEN 0 AND size / 5 THEN
            total := total + given[i]::numeric + size - given[last]::numeric;
            mark := 'rollover';
            top := NULL;
            last := i;
        ELSE
            mark := 'reset';
            top := greatest(top, given[last]);
            low := given[i];
            last := i;
        END IF;
        stands[i] := total;
        flags[i] := mark;
    END LOOP;
    RETURN QUERY
        SELECT bucket_start(step, p.at), min(p.at) FILTER (WHERE p.stand IS NOT NULL), min(p.stand),
               max(p.at) FILTER (WHERE p.stand IS NOT NULL), max(p.stand), string_agg(DISTINCT p.flag, ' ')
        FROM unnest(times, stands, flags) p (at, stand, flag)
        GROUP BY 1;
END
$$;
COMMENT ON FUNCTION register_traced IS 'A register''s first and last stand by interval, as it would be had it never fallen, and why it fell.';

CREATE FUNCTION between_readings(
    at timestamptz, before_at timestamptz, before numeric, after_at timestamptz, after numeric, decimals integer
) RETURNS numeric LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT round(CASE
        WHEN at <= before_at THEN before
        WHEN at >= after_at THEN after
        ELSE before + (after - before) * extract(epoch FROM at - before_at) / extract(epoch FROM after_at - before_at)
    END, decimals)
$$;

-- The readings nearest to a range, of series that have none close to it.
CREATE FUNCTION reading_before(series integer, since timestamptz)
RETURNS TABLE (at timestamptz, value double precision) LANGUAGE sql STABLE AS $$
    (SELECT last_at, last_value FROM rollup_15m
     WHERE series_id = series AND bucket >= since - interval '2 days' AND bucket < since ORDER BY bucket DESC LIMIT 1)
    UNION ALL
    (SELECT last_at, last_value FROM rollup_1d
     WHERE series_id = series AND bucket < since - interval '26 hours' ORDER BY bucket DESC LIMIT 1)
    ORDER BY 1 DESC LIMIT 1
$$;
CREATE FUNCTION reading_after(series integer, until timestamptz)
RETURNS TABLE (at timestamptz, value double precision) LANGUAGE sql STABLE AS $$
    (SELECT first_at, first_value FROM rollup_15m
     WHERE series_id = series AND bucket >= until AND bucket < until + interval '2 days' ORDER BY bucket LIMIT 1)
    UNION ALL
    (SELECT first_at, first_value FROM rollup_1d
     WHERE series_id = series AND bucket >= until AND first_at >= until ORDER BY bucket LIMIT 1)
    ORDER BY 1 LIMIT 1
$$;

CREATE FUNCTION consumption(step text, since timestamptz, until timestamptz, series_ids integer[])
RETURNS TABLE (
    bucket timestamptz, bucket_end timestamptz, series_id integer, value numeric, estimated boolean, flag text
)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    low timestamptz := CASE WHEN bucket_start(step, since) = since THEN since
                            ELSE bucket_end(step, bucket_start(step, since)) END;
    high timestamptz := CASE WHEN bucket_start(step, until) = until THEN until
                             ELSE bucket_end(step, bucket_start(step, until)) END;
    pad interval := CASE step WHEN '15m' THEN interval '1 hour' WHEN '1h' THEN interval '3 hours'
                              WHEN '1d' THEN interval '3 days' ELSE interval '63 days' END;
    near interval := CASE step WHEN '15m' THEN interval '90 seconds' WHEN '1h' THEN interval '6 minutes'
                               ELSE interval '15 minutes' END;
BEGIN
    RETURN QUERY EXECUTE format($sql$
        WITH wanted AS MATERIALIZED (
            SELECT s.id
            FROM series s JOIN meter m ON m.id = s.meter_id
            WHERE s.kind = 'register' AND %1$s AND (m.removed_at IS NULL OR m.removed_at > $1)
        ), close AS MATERIALIZED (
            SELECT r.bucket, r.series_id, r.first_at, r.first_value, r.last_at, r.last_value, r.min_value, r.max_value
            FROM %2$I r
            WHERE r.bucket >= $4 AND r.bucket < $5 AND %3$s
        ), span AS (
            SELECT w.id, min(c.first_at) AS first_at, max(c.last_at) AS last_at
            FROM wanted w LEFT JOIN close c ON c.series_id = w.id
            GROUP BY w.id
        ), edge AS (
            SELECT s.id AS series_id, e.at, e.value FROM span s CROSS JOIN LATERAL reading_before(s.id, $1) e
            WHERE s.first_at IS NULL OR s.first_at >= $1
            UNION ALL
            SELECT s.id, e.at, e.value FROM span s CROSS JOIN LATERAL reading_after(s.id, $2) e
            WHERE $2 < now() AND (s.last_at IS NULL OR s.last_at < $2)
        ), chain AS MATERIALIZED (
            SELECT c.* FROM close c JOIN wanted w ON w.id = c.series_id
            UNION ALL
            SELECT bucket_start(%4$L, at), series_id, at, value, at, value, value, value FROM edge
        ), followed AS (
            SELECT c.*, lag(last_value) OVER (PARTITION BY c.series_id ORDER BY c.bucket, c.first_at) AS before FROM chain c
        ), odd AS MATERIALIZED (
            SELECT f.series_id, min(first_at) AS first_at, max(last_at) AS last_at
            FROM followed f
            GROUP BY f.series_id
            HAVING bool_or(min_value < first_value OR max_value > last_value OR before > first_value
                           OR (first_value = 0 AND last_value > 0) OR (before = 0 AND first_value > 0))
        ), stand AS (
            SELECT c.bucket, c.series_id, first_at, first_value::numeric, last_at, last_value::numeric, NULL AS flag
            FROM chain c WHERE NOT EXISTS (SELECT FROM odd o WHERE o.series_id = c.series_id)
            UNION ALL
            SELECT t.bucket, o.series_id, t.first_at, t.first_value, t.last_at, t.last_value, t.flag
            FROM odd o CROSS JOIN LATERAL register_traced(o.series_id, %4$L, o.first_at, o.last_at) t
        ), framed AS (
            SELECT s.*, lag(last_at) OVER w AS before_at, lag(last_value) OVER w AS before,
                   lead(first_at) OVER w AS after_at, lead(first_value) OVER w AS after,
                   lag(s.bucket) OVER w AS before_bucket,
                   least(6, max(greatest(scale(first_value), scale(last_value))) OVER (PARTITION BY s.series_id)) AS decimals
            FROM stand s
            WHERE s.first_at IS NOT NULL
            WINDOW w AS (PARTITION BY s.series_id ORDER BY s.bucket, s.first_at)
        ), ended AS (
            SELECT f.*, bucket_end(%4$L, f.bucket) AS bucket_end FROM framed f
        )
        SELECT e.bucket, e.bucket_end, e.series_id,
               between_readings(e.bucket_end, last_at, last_value, coalesce(after_at, last_at), coalesce(after, last_value), decimals)
               - between_readings(e.bucket, coalesce(before_at, first_at), coalesce(before, first_value), first_at, first_value, decimals),
               coalesce(first_at > e.bucket AND first_at - before_at > $6, false)
               OR coalesce(after_at > e.bucket_end AND after_at - last_at > $6, false)
               OR coalesce(e.flag LIKE '%%reset%%', false),
               nullif(concat_ws(' ', e.flag, CASE WHEN (before_at IS NULL AND first_at > e.bucket)
                                                       OR (after_at IS NULL AND last_at < e.bucket_end) THEN 'partial' END), '')
        FROM ended e
        WHERE e.bucket >= $1 AND e.bucket < $2
        UNION ALL
        -- intervals without a reading
        SELECT g.bucket, bucket_end(%4$L, g.bucket), e.series_id,
               between_readings(bucket_end(%4$L, g.bucket), before_at, before, first_at, first_value, decimals)
               - between_readings(g.bucket, before_at, before, first_at, first_value, decimals),
               true, 'gap'
        FROM ended e
        CROSS JOIN LATERAL generate_series(
            greatest(bucket_end(%4$L, before_bucket), $1), least(e.bucket, $2) - interval '1 microsecond', %5$L, store_zone()
        ) g (bucket)
        WHERE e.bucket > before_bucket AND e.bucket > $1
        $sql$,
        CASE WHEN series_ids IS NULL THEN 'true' ELSE 's.id = ANY ($3)' END,
        'rollup_' || step,
        CASE WHEN series_ids IS NULL THEN 'true' ELSE 'r.series_id = ANY ($3)' END,
        step,
        CASE step WHEN '15m' THEN '15 minutes' WHEN '1h' THEN '1 hour' WHEN '1d' THEN '1 day' ELSE '1 month' END)
    USING low, high, series_ids, low - pad, high + pad, near;
END
$$;
COMMENT ON FUNCTION consumption IS 'Consumption of registers by intervals of a step that start in [since, until); see docs/STORE.md.';

CREATE FUNCTION consumption_15m(since timestamptz, until timestamptz, series_ids integer[] DEFAULT NULL)
RETURNS TABLE (bucket timestamptz, bucket_end timestamptz, series_id integer, value numeric, estimated boolean, flag text)
LANGUAGE sql STABLE AS $$ SELECT * FROM consumption('15m', since, until, series_ids) $$;
CREATE FUNCTION consumption_1h(since timestamptz, until timestamptz, series_ids integer[] DEFAULT NULL)
RETURNS TABLE (bucket timestamptz, bucket_end timestamptz, series_id integer, value numeric, estimated boolean, flag text)
LANGUAGE sql STABLE AS $$ SELECT * FROM consumption('1h', since, until, series_ids) $$;
CREATE FUNCTION consumption_1d(since timestamptz, until timestamptz, series_ids integer[] DEFAULT NULL)
RETURNS TABLE (bucket timestamptz, bucket_end timestamptz, series_id integer, value numeric, estimated boolean, flag text)
LANGUAGE sql STABLE AS $$ SELECT * FROM consumption('1d', since, until, series_ids) $$;
CREATE FUNCTION consumption_1mo(since timestamptz, until timestamptz, series_ids integer[] DEFAULT NULL)
RETURNS TABLE (bucket timestamptz, bucket_end timestamptz, series_id integer, value numeric, estimated boolean, flag text)
LANGUAGE sql STABLE AS $$ SELECT * FROM consumption('1mo', since, until, series_ids) $$;
COMMENT ON FUNCTION consumption_15m IS 'What registers consumed by quarter-hour; estimated where no reading is near a boundary; flag says what happened.';
COMMENT ON FUNCTION consumption_1h IS 'As consumption_15m, by hour.';
COMMENT ON FUNCTION consumption_1d IS 'As consumption_15m, by day of store_zone().';
COMMENT ON FUNCTION consumption_1mo IS 'As consumption_15m, by month of store_zone().';

REVOKE EXECUTE ON FUNCTION consumption, register_digits, register_points, register_traced, reading_before, reading_after
    FROM PUBLIC;
GRANT EXECUTE ON FUNCTION consumption TO wattline_ingestor, wattline_gateway, wattline_grafana;
