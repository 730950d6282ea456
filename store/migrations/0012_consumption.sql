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

CREATE FUNCTION store_max_power_kw() RETURNS double precision LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT coalesce(nullif((SELECT value::double precision FROM store_setting WHERE name = 'max_power_kw'), 0), 'Infinity')
$$;
COMMENT ON FUNCTION store_max_power_kw IS 'No meter takes or gives more, by the setting; infinite where no jumps are looked for.';

-- First and last readings where intervals rise, all readings where they do not, and the registers of stays at swaps.
-- Days are looked at first, where whole days are asked for, then the quarter-hours of the odd ones, then their readings.
CREATE FUNCTION register_points(
    series integer, step text, since timestamptz, until timestamptz, steep double precision, moves timestamptz[]
) RETURNS TABLE (at timestamptz, value double precision, stay_id integer) LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN QUERY EXECUTE format($sql$
        WITH coarse AS (
            SELECT bucket, first_at, first_value, last_at, last_value, %1$s AS odd
            FROM rollup_1d
            WHERE %2$L AND series_id = $1 AND bucket > $2 - interval '2 days' AND bucket <= $3 AND last_at >= $2 AND first_at <= $3
            WINDOW w AS (ORDER BY bucket)
        ), stretch AS (
            SELECT $2 - interval '15 minutes' AS after, $3 AS until WHERE NOT %2$L
            UNION ALL
            SELECT bucket - interval '1 microsecond', bucket_end('1d', bucket) - interval '1 microsecond' FROM coarse WHERE odd
        ), fine AS (
            SELECT q.*
            FROM stretch s CROSS JOIN LATERAL (
                SELECT first_at, first_value, last_at, last_value, %1$s AS odd
                FROM rollup_15m
                WHERE series_id = $1 AND bucket > s.after AND bucket <= s.until AND last_at >= $2 AND first_at <= $3
                WINDOW w AS (ORDER BY bucket)
            ) q
        ), point AS (
            SELECT r.time AS at, r.value
            FROM fine f CROSS JOIN LATERAL (
                SELECT time, value FROM reading WHERE series_id = $1 AND time BETWEEN f.first_at AND f.last_at
            ) r
            WHERE f.odd
            UNION SELECT first_at, first_value FROM fine
            UNION SELECT last_at, last_value FROM fine
            UNION SELECT first_at, first_value FROM coarse
            UNION SELECT last_at, last_value FROM coarse
        )
        SELECT p.at, p.value, NULL::integer FROM point p WHERE p.at BETWEEN $2 AND $3
        UNION ALL
        SELECT g.at, g.value, g.stay_id FROM series_register g WHERE g.series_id = $1 AND g.at BETWEEN $2 AND $3
        $sql$,
        'first_at < $2 OR last_at > $3 OR min_value < first_value OR max_value > last_value OR first_value = 0
         OR last_value - first_value > $4 OR coalesce(lag(last_value) OVER w > first_value, false)
         OR coalesce(lead(first_value) OVER w < last_value, false)
         OR EXISTS (SELECT FROM unnest($5) m WHERE m > first_at AND m <= last_at)',
        step IN ('1d', '1mo'))
    USING series, since, until, steep, moves;
END
$$;

-- Whether quarter-hours have a jump that readings are to be asked about. Not SQL, so that it is planned where it is called only.
CREATE FUNCTION register_jumps(series integer, since timestamptz, until timestamptz, max_kw double precision) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
DECLARE
    found boolean;
BEGIN
    EXECUTE $sql$
        SELECT bool_or(q.rise > $4 / 4 OR q.step > $4 * greatest(0.25, q.hours))
        FROM (
            SELECT last_value - first_value AS rise, first_value - lag(last_value) OVER o AS step,
                   date_part('epoch', first_at - lag(last_at) OVER o) / 3600 AS hours
            FROM rollup_15m
            WHERE series_id = $1 AND bucket >= $2 AND bucket < $3
            WINDOW o AS (ORDER BY bucket)
        ) q
        $sql$ INTO found USING series, since, until, max_kw;
    RETURN coalesce(found, false);
END
$$;

-- How high the register stood before it last fell to where it stands now, and how low it was since; null where it never did.
CREATE FUNCTION register_fall(series integer, stands double precision, since timestamptz)
RETURNS TABLE (top double precision, low double precision) LANGUAGE sql STABLE AS $$
    WITH before AS (
        SELECT q.bucket, q.max_value, q.min_value
        FROM rollup_15m q
        WHERE q.series_id = series AND q.bucket >= bucket_start('1d', since) AND q.last_at < since
        UNION ALL
        SELECT d.bucket, d.max_value, d.min_value
        FROM rollup_1d d
        WHERE d.series_id = series AND d.bucket < bucket_start('1d', since)
    ), fell AS (
        SELECT bucket, max_value FROM before WHERE max_value > stands ORDER BY bucket DESC LIMIT 1
    )
    SELECT f.max_value, least(stands, min(b.min_value))
    FROM fell f JOIN before b ON b.bucket >= f.bucket
    GROUP BY f.max_value
$$;

-- The register as it would stand had it never fallen nor jumped. Of a reading that is lower or higher than those around it
-- nothing is counted (dip), over the top of a register with known digits it goes on (rollover); what it counted around
-- another fall (reset), or around a rise that no meter has the power for (jump), nobody knows: that is nothing, for energy
-- must not come of nowhere. Each place of the meter has stands of its own (`part`), and so has the way from one to the next.
CREATE FUNCTION register_traced(series integer, step text, since timestamptz, until timestamptz, max_kw double precision)
RETURNS TABLE (
    bucket timestamptz, first_at timestamptz, first_value numeric, last_at timestamptz, last_value numeric, flag text,
    part integer, point_id integer
) LANGUAGE plpgsql STABLE AS $$
DECLARE
    ahead CONSTANT integer := 10;
    size numeric := round(10::numeric ^ register_digits(series));
    times timestamptz[];
    given double precision[];
    parts integer[];
    froms timestamptz[];
    stays integer[];
    points integer[];
    stands numeric[] := '{}';
    flags text[] := '{}';
    total numeric;
    before numeric;
    low double precision;
    top double precision;
    most double precision;
    last integer := 1;
    prior integer;
    next integer;
    mark text;
    ways integer[] := '{}';
    way_flags text[] := '{}';
BEGIN
    SELECT array_agg(p.from_at ORDER BY p.from_at), array_agg(p.stay_id ORDER BY p.from_at), array_agg(p.point_id ORDER BY p.from_at)
    INTO froms, stays, points
    FROM series_part p WHERE p.series_id = series;
    -- parts have even numbers, the ways between them odd ones; a register that was read counts more than a reading of its time
    WITH sorted AS (
        SELECT DISTINCT ON (p.at, p.place) p.at, p.value, 2 * p.place AS part
        FROM (
            SELECT r.*, coalesce(CASE WHEN r.stay_id IS NOT NULL THEN array_position(stays, r.stay_id) END,
                                 width_bucket(r.at, froms), 1) AS place
            FROM register_points(series, step, since, until, max_kw / 4, froms) r
        ) p
        ORDER BY p.at, p.place, p.stay_id
    )
    SELECT array_agg(s.at ORDER BY s.at, s.part), array_agg(s.value ORDER BY s.at, s.part), array_agg(s.part ORDER BY s.at, s.part)
    INTO times, given, parts
    FROM sorted s;
    IF times IS NULL THEN
        RETURN;
    END IF;
    -- a fall of before may end here
    SELECT f.top, f.low INTO top, low FROM register_fall(series, given[1], since) f;
    total := given[1]::numeric;
    stands[1] := total;
    flags[1] := NULL;
    FOR i IN 2 .. cardinality(given) LOOP
        mark := NULL;
        before := total;
        prior := last;
        most := max_kw * greatest(extract(epoch FROM times[i] - times[last])::double precision / 3600, 0.25);
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
                IF given[i] - given[last] > most THEN
                    mark := 'jump';
                ELSE
                    total := total + given[i]::numeric - given[last]::numeric;
                END IF;
                last := i;
            END IF;
        ELSIF given[next] >= given[last]
              AND (next = i + 1 OR given[next] - given[next - 1] >= (given[last] - given[i]) / 2) THEN
            stands[i] := NULL;
            flags[i] := 'dip';
            CONTINUE;
        ELSIF size IS NOT NULL AND given[i]::numeric + size - given[last]::numeric BETWEEN 0 AND least(size / 5, most::numeric) THEN
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
        IF parts[i] <> parts[prior] AND (total > before OR mark IS NOT NULL) THEN
            -- what was counted on the way is of neither place
            ways := ways || ARRAY[prior, i];
            way_flags := way_flags || ARRAY[NULL, mark];
        ELSE
            flags[i] := mark;
        END IF;
    END LOOP;
    RETURN QUERY
        SELECT bucket_start(step, p.at), min(p.at) FILTER (WHERE p.stand IS NOT NULL), min(p.stand),
               max(p.at) FILTER (WHERE p.stand IS NOT NULL), max(p.stand), string_agg(DISTINCT p.flag, ' '), p.part,
               CASE WHEN p.part % 2 = 0 THEN points[p.part / 2] END
        FROM (
            SELECT u.at, u.stand, u.flag, u.part FROM unnest(times, stands, flags, parts) u (at, stand, flag, part)
            UNION ALL
            SELECT times[w.i], stands[w.i], w.flag, parts[ways[(w.n + 1) / 2 * 2 - 1]] + 1
            FROM unnest(ways, way_flags) WITH ORDINALITY w (i, flag, n)
        ) p
        GROUP BY 1, p.part;
END
$$;
COMMENT ON FUNCTION register_traced IS 'A register''s first and last stand by interval, as it would be had it never fallen nor jumped, and why it did.';

CREATE FUNCTION between_readings(
    at timestamptz, before_at timestamptz, before numeric, after_at timestamptz, after numeric, decimals integer
) RETURNS numeric LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT round(CASE
        WHEN at <= before_at THEN before
        WHEN at >= after_at THEN after
        ELSE before + (after - before) * extract(epoch FROM at - before_at) / extract(epoch FROM after_at - before_at)
    END, decimals)
$$;

-- The readings nearest to a range, of series that have none close to it; a register that was read at a swap is as good as one.
-- Not SQL, so that nothing is planned where no series asks.
CREATE FUNCTION readings_before(series integer[], since timestamptz)
RETURNS TABLE (series_id integer, at timestamptz, value double precision) LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF cardinality(series) > 0 THEN
        RETURN QUERY EXECUTE $sql$
            SELECT b.series_id, max(b.at), last(b.value, b.at)
            FROM (
                SELECT r.series_id, r.last_at, r.last_value FROM rollup_15m r
                WHERE r.series_id = ANY ($1) AND r.bucket >= $2 - interval '2 days' AND r.bucket < $2
                UNION ALL
                SELECT r.series_id, r.last_at, r.last_value FROM rollup_1d r
                WHERE r.series_id = ANY ($1) AND r.bucket >= $3 AND r.bucket < $2 - interval '26 hours'
                UNION ALL
                SELECT r.series_id, r.last_at, r.last_value FROM rollup_1mo r WHERE r.series_id = ANY ($1) AND r.bucket < $3
                UNION ALL
                SELECT g.series_id, g.at, g.value FROM series_register g WHERE g.series_id = ANY ($1) AND g.at < $2
            ) b (series_id, at, value)
            GROUP BY b.series_id
            $sql$ USING series, since, bucket_start('1mo', since - interval '26 hours');
    END IF;
END
$$;
CREATE FUNCTION readings_after(series integer[], until timestamptz)
RETURNS TABLE (series_id integer, at timestamptz, value double precision) LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF cardinality(series) > 0 THEN
        RETURN QUERY EXECUTE $sql$
            SELECT a.series_id, min(a.at), first(a.value, a.at)
            FROM (
                SELECT r.series_id, r.first_at, r.first_value FROM rollup_15m r
                WHERE r.series_id = ANY ($1) AND r.bucket >= $2 AND r.bucket < $2 + interval '2 days'
                UNION ALL
                SELECT r.series_id, r.first_at, r.first_value FROM rollup_1d r
                WHERE r.series_id = ANY ($1) AND r.bucket >= $2 AND r.bucket < $3
                UNION ALL
                SELECT r.series_id, r.first_at, r.first_value FROM rollup_1mo r WHERE r.series_id = ANY ($1) AND r.bucket >= $3
                UNION ALL
                SELECT g.series_id, g.at, g.value FROM series_register g WHERE g.series_id = ANY ($1) AND g.at >= $2
            ) a (series_id, at, value)
            GROUP BY a.series_id
            $sql$ USING series, until, bucket_end('1mo', bucket_start('1mo', until));
    END IF;
END
$$;

CREATE FUNCTION consumption(step text, since timestamptz, until timestamptz, series_ids integer[])
RETURNS TABLE (
    bucket timestamptz, bucket_end timestamptz, series_id integer, value numeric, estimated boolean, flag text, point_id integer
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
    early timestamptz := CASE step WHEN '1mo' THEN bucket_start('1mo', low - pad) ELSE low - pad END;
BEGIN
    RETURN QUERY EXECUTE format($sql$
        WITH wanted AS MATERIALIZED (
            SELECT s.id, CASE WHEN s.unit IN ('kWh', 'kvarh', 'kVAh') THEN $9 ELSE 'Infinity' END AS max_kw
            FROM series s JOIN meter m ON m.id = s.meter_id
            WHERE s.kind = 'register' AND %1$s AND (m.removed_at IS NULL OR m.removed_at > $1 OR EXISTS (
                SELECT FROM meter_register g WHERE g.meter_id = m.id AND g.obis = s.obis AND g.unit = s.unit AND g.at > $1))
        ), close AS MATERIALIZED (
            SELECT r.bucket, r.series_id, r.first_at, r.first_value, r.last_at, r.last_value, r.min_value, r.max_value
            FROM %2$I r
            WHERE r.bucket >= $4 AND r.bucket < $5 AND %3$s
        ), swapped AS MATERIALIZED (
            -- registers of swaps, as far as readings do not say the same
            SELECT g.series_id, g.at, g.value
            FROM series_register g JOIN wanted w ON w.id = g.series_id
            LEFT JOIN close c ON c.series_id = g.series_id AND c.bucket = bucket_start(%4$L, g.at)
            WHERE g.at >= $4 AND g.at < $5 AND (g.read_by IS NOT NULL OR (g.at BETWEEN c.first_at AND c.last_at) IS NOT TRUE)
        ), span AS (
            SELECT w.id, min(c.first_at) AS first_at, max(c.last_at) AS last_at
            FROM wanted w LEFT JOIN close c ON c.series_id = w.id
            GROUP BY w.id
        ), edge AS (
            SELECT * FROM readings_before(ARRAY(SELECT id FROM span WHERE first_at IS NULL OR first_at >= $1), $1)
            UNION
            SELECT * FROM readings_after(ARRAY(SELECT id FROM span WHERE $2 < now() AND (last_at IS NULL OR last_at < $2)), $2)
        ), followed AS MATERIALIZED (
            SELECT c.*, w.max_kw, lag(last_value) OVER o AS before, lag(last_at) OVER o AS before_at
            FROM (
                SELECT * FROM close
                UNION ALL
                SELECT bucket_start(%4$L, at), series_id, at, value, at, value, value, value
                FROM (SELECT * FROM edge UNION SELECT * FROM swapped) e
            ) c
            JOIN wanted w ON w.id = c.series_id
            WINDOW o AS (PARTITION BY c.series_id ORDER BY c.bucket, c.first_at)
        ), hasty AS MATERIALIZED (
            -- whose days rise by so much, or so much comes between those of a week or from week to week, that a jump may be in it;
            -- a look from day to day is five times as slow
            SELECT y.id, y.max_kw
            FROM (
                SELECT w.id, w.max_kw, greatest(v.rise, v.between_days, v.low - lag(v.high) OVER o) AS most
                FROM (
                    SELECT r.series_id, date_bin('7 days', r.bucket, $4) AS week, max(last_value - first_value) AS rise,
                           max(last_value) - min(first_value) - sum(last_value - first_value) AS between_days,
                           min(first_value) AS low, max(last_value) AS high
                    FROM rollup_1d r
                    WHERE %6$L AND r.bucket >= $4 AND r.bucket < $5 AND %3$s
                    GROUP BY 1, 2
                ) v JOIN wanted w ON w.id = v.series_id
                WINDOW o AS (PARTITION BY w.id ORDER BY v.week)
            ) y
            WHERE y.most > y.max_kw / 4
            GROUP BY y.id, y.max_kw
        ), steep AS MATERIALIZED (
            -- so much from one reading to the next that no meter has the power for it, which a day may well have
            SELECT d.series_id
            FROM (
                SELECT f.series_id, f.max_kw, f.bucket, bucket_end(%4$L, f.bucket) AS bucket_end, false AS jumps
                FROM followed f WHERE NOT %6$L AND last_value - first_value > f.max_kw / 4
                UNION ALL
                SELECT y.id, y.max_kw, y.bucket, y.bucket + interval '26 hours', y.step > y.max_kw * greatest(0.25, y.hours)
                FROM (
                    SELECT h.id, h.max_kw, r.bucket, last_value - first_value AS rise, first_value - lag(last_value) OVER o AS step,
                           date_part('epoch', first_at - lag(last_at) OVER o) / 3600 AS hours
                    FROM hasty h JOIN rollup_1d r ON r.series_id = h.id
                    WHERE %6$L AND r.bucket >= $4 AND r.bucket < $5 AND %3$s
                    WINDOW o AS (PARTITION BY h.id ORDER BY r.bucket)
                ) y
                WHERE y.rise > y.max_kw / 4 OR y.step > y.max_kw * greatest(0.25, y.hours)
            ) d
            GROUP BY d.series_id
            HAVING bool_or(d.jumps) OR register_jumps(d.series_id, min(d.bucket), max(d.bucket_end), max(d.max_kw))
        ), stood AS MATERIALIZED (
            -- where a register stood higher once, a fall of then may end here
            SELECT b.series_id, max(b.max_value) AS top
            FROM (
                SELECT r.series_id, r.max_value FROM rollup_1mo r WHERE r.bucket < $7 AND %3$s
                UNION ALL
                SELECT r.series_id, r.max_value FROM rollup_1d r WHERE NOT %6$L AND r.bucket >= $7 AND r.bucket < $8 AND %3$s
                UNION ALL
                SELECT r.series_id, r.max_value FROM %2$I r WHERE %7$L AND r.bucket >= $8 AND r.bucket < $4 AND %3$s
            ) b
            GROUP BY b.series_id
        ), extent AS (
            SELECT f.series_id, max(f.max_kw) AS max_kw, min(first_at) AS first_at, max(last_at) AS last_at,
                   bool_or(coalesce(before > first_value OR (before = 0 AND first_value > 0)
                                    OR (first_value - before > f.max_kw / 4
                                        AND first_value - before > f.max_kw * date_part('epoch', first_at - before_at) / 3600), false)
                           OR min_value < first_value OR max_value > last_value OR (first_value = 0 AND last_value > 0))
                   OR coalesce(max(s.top) > min(first_value), false)
                   OR f.series_id IN (SELECT s.series_id FROM steep s) OR f.series_id IN (SELECT s.series_id FROM swapped s) AS odd
            FROM followed f LEFT JOIN stood s ON s.series_id = f.series_id
            GROUP BY f.series_id
        ), place AS MATERIALIZED (
            SELECT e.series_id, e.max_kw, e.first_at, e.last_at, max(p.point_id) AS point_id, e.odd OR count(*) > 1 AS traced
            FROM extent e
            LEFT JOIN series_part p ON p.series_id = e.series_id AND p.from_at <= e.last_at AND p.until_at > e.first_at AND %8$s
            GROUP BY e.series_id, e.max_kw, e.first_at, e.last_at, e.odd
        ), stand AS (
            SELECT c.bucket, c.series_id, c.first_at, c.first_value::numeric, c.last_at, c.last_value::numeric, NULL AS flag,
                   0 AS part, p.point_id
            FROM followed c JOIN place p ON p.series_id = c.series_id AND NOT p.traced
            UNION ALL
            SELECT t.bucket, p.series_id, t.first_at, t.first_value, t.last_at, t.last_value, t.flag, t.part, t.point_id
            FROM place p CROSS JOIN LATERAL register_traced(p.series_id, %4$L, p.first_at, p.last_at, p.max_kw) t
            WHERE p.traced
        ), framed AS (
            SELECT s.*, lag(last_at) OVER w AS before_at, lag(last_value) OVER w AS before,
                   lead(first_at) OVER w AS after_at, lead(first_value) OVER w AS after,
                   lag(s.bucket) OVER w AS before_bucket,
                   least(6, max(greatest(scale(first_value), scale(last_value))) OVER (PARTITION BY s.series_id)) AS decimals
            FROM stand s
            WHERE s.first_at IS NOT NULL
            WINDOW w AS (PARTITION BY s.series_id, s.part ORDER BY s.bucket, s.first_at)
        ), ended AS (
            SELECT f.*, bucket_end(%4$L, f.bucket) AS bucket_end FROM framed f
        )
        SELECT e.bucket, e.bucket_end, e.series_id,
               between_readings(e.bucket_end, last_at, last_value, coalesce(after_at, last_at), coalesce(after, last_value), decimals)
               - between_readings(e.bucket, coalesce(before_at, first_at), coalesce(before, first_value), first_at, first_value, decimals),
               coalesce(first_at > e.bucket AND first_at - before_at > $6, false)
               OR coalesce(after_at > e.bucket_end AND after_at - last_at > $6, false)
               OR coalesce(e.flag ~ 'reset|jump', false),
               nullif(concat_ws(' ', e.flag, CASE WHEN (before_at IS NULL AND first_at > e.bucket)
                                                       OR (after_at IS NULL AND last_at < e.bucket_end) THEN 'partial' END), ''),
               e.point_id
        FROM ended e
        WHERE e.bucket >= $1 AND e.bucket < $2
        UNION ALL
        -- intervals without a reading
        SELECT g.bucket, bucket_end(%4$L, g.bucket), e.series_id,
               between_readings(bucket_end(%4$L, g.bucket), before_at, before, first_at, first_value, decimals)
               - between_readings(g.bucket, before_at, before, first_at, first_value, decimals),
               true, 'gap', e.point_id
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
        CASE step WHEN '15m' THEN '15 minutes' WHEN '1h' THEN '1 hour' WHEN '1d' THEN '1 day' ELSE '1 month' END,
        step = '1mo',
        step IN ('15m', '1h'),
        CASE WHEN series_ids IS NULL THEN 'true' ELSE 'p.series_id = ANY ($3)' END)
    USING low, high, series_ids, early, high + pad, near, bucket_start('1mo', early), bucket_start('1d', early), store_max_power_kw();
END
$$;
COMMENT ON FUNCTION consumption IS 'Consumption of registers by intervals of a step that start in [since, until); see docs/STORE.md.';

CREATE FUNCTION consumption_15m(since timestamptz, until timestamptz, series_ids integer[] DEFAULT NULL)
RETURNS TABLE (
    bucket timestamptz, bucket_end timestamptz, series_id integer, value numeric, estimated boolean, flag text, point_id integer
)
LANGUAGE sql STABLE AS $$ SELECT * FROM consumption('15m', since, until, series_ids) $$;
CREATE FUNCTION consumption_1h(since timestamptz, until timestamptz, series_ids integer[] DEFAULT NULL)
RETURNS TABLE (
    bucket timestamptz, bucket_end timestamptz, series_id integer, value numeric, estimated boolean, flag text, point_id integer
)
LANGUAGE sql STABLE AS $$ SELECT * FROM consumption('1h', since, until, series_ids) $$;
CREATE FUNCTION consumption_1d(since timestamptz, until timestamptz, series_ids integer[] DEFAULT NULL)
RETURNS TABLE (
    bucket timestamptz, bucket_end timestamptz, series_id integer, value numeric, estimated boolean, flag text, point_id integer
)
LANGUAGE sql STABLE AS $$ SELECT * FROM consumption('1d', since, until, series_ids) $$;
CREATE FUNCTION consumption_1mo(since timestamptz, until timestamptz, series_ids integer[] DEFAULT NULL)
RETURNS TABLE (
    bucket timestamptz, bucket_end timestamptz, series_id integer, value numeric, estimated boolean, flag text, point_id integer
)
LANGUAGE sql STABLE AS $$ SELECT * FROM consumption('1mo', since, until, series_ids) $$;
COMMENT ON FUNCTION consumption_15m IS 'What registers consumed by quarter-hour; estimated where no reading is near a boundary; flag says what happened; point_id where.';
COMMENT ON FUNCTION consumption_1h IS 'As consumption_15m, by hour.';
COMMENT ON FUNCTION consumption_1d IS 'As consumption_15m, by day of store_zone().';
COMMENT ON FUNCTION consumption_1mo IS 'As consumption_15m, by month of store_zone().';

REVOKE EXECUTE ON FUNCTION consumption, register_digits, register_points, register_jumps, register_fall, register_traced,
    readings_before, readings_after FROM PUBLIC;
GRANT EXECUTE ON FUNCTION consumption TO wattline_ingestor, wattline_gateway, wattline_grafana;
