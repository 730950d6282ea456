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

-- Of some registers, each from since to until, those whose quarter-hours have a jump that readings are to be asked about. Not SQL,
-- so that it is planned where it is called only, and once for all of them: planning takes longer than a register's year.
CREATE FUNCTION register_jumps(series integer[], since timestamptz[], until timestamptz[], max_kw double precision[])
RETURNS SETOF integer LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF series IS NULL THEN
        RETURN;
    END IF;
    RETURN QUERY EXECUTE $sql$
        SELECT q.series_id
        FROM (
            SELECT r.series_id, w.max_kw, last_value - first_value AS rise, first_value - lag(last_value) OVER o AS step,
                   first_at - lag(last_at) OVER o AS pause
            FROM rollup_15m r JOIN unnest($1, $2, $3, $4) w (id, since, until, max_kw) ON w.id = r.series_id
            WHERE r.series_id = ANY ($1) AND r.bucket >= $5 AND r.bucket < $6 AND r.bucket >= w.since AND r.bucket < w.until
            WINDOW o AS (PARTITION BY r.series_id ORDER BY bucket)
        ) q
        WHERE q.rise > q.max_kw / 4
              OR (q.step > q.max_kw / 4 AND q.step > q.max_kw * date_part('epoch', q.pause) / 3600)
        GROUP BY q.series_id
        $sql$ USING series, since, until, max_kw, (SELECT min(s) FROM unnest(since) s), (SELECT max(u) FROM unnest(until) u);
END
$$;

-- Whether a meter has the power for the step from one reading to the next.
CREATE FUNCTION register_rises(
    before_at timestamptz, before double precision, at timestamptz, value double precision, max_kw double precision
) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN value >= before AND value - before <= max_kw * greatest(0.25, date_part('epoch', at - before_at) / 3600);

-- The readings that say all of some registers: first and last ones where days and quarter-hours rise, all of those around anything
-- else from since to until and some days beyond, and the registers of stays at swaps. Days are of all time, so that every range and
-- step sees the same; `readings` is how many a point stands for.
CREATE FUNCTION register_points(
    series integer[], step text, since timestamptz[], until timestamptz[], max_kw double precision[]
) RETURNS TABLE (series_id integer, at timestamptz, value double precision, readings bigint, stay_id integer)
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN QUERY EXECUTE format($sql$
        WITH wanted AS MATERIALIZED (
            SELECT w.*, (SELECT array_agg(p.from_at) FROM series_part p WHERE p.series_id = w.id AND p.from_at > '-infinity') AS moves
            FROM unnest($1, $2, $3, $4) w (id, since, until, max_kw)
        ), coarse AS (
            SELECT c.*, c.near AND bucket > c.since - interval '5 days' AND bucket < c.until + interval '5 days'
                        OR %3$L AND last_at >= c.since AND first_at <= c.until
                        -- may hide the jump by which a long excursion began
                        OR last_value - first_value > c.max_kw / 4 AND low >= first_value AND low < last_value AS opened
            FROM (
                SELECT b.*, %2$s AS near
                FROM (
                    -- a register that passes a stand that it fell from may be back from a long excursion
                    SELECT a.*, %1$s OR coalesce(before < top AND last_value >= top, false)
                                     OR coalesce(before < fell[2] AND last_value >= fell[2], false) AS odd
                    FROM (
                        SELECT q.*, sum(readings) OVER w AS upto, max(max_value) OVER earlier AS top,
                               min(min_value) OVER (w ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING) AS low,
                               max(CASE WHEN max_value > last_value OR min_value < first_value OR before > first_value
                                        THEN ARRAY[date_part('epoch', bucket), greatest(max_value, before)] END) OVER earlier AS fell
                        FROM (
                            SELECT r.*, n.since, n.until, n.max_kw, n.moves,
                                   lag(last_value) OVER w AS before, lag(last_at) OVER w AS before_at
                            FROM rollup_1d r JOIN wanted n ON n.id = r.series_id
                            WHERE r.series_id = ANY ($1)
                            WINDOW w AS (PARTITION BY r.series_id ORDER BY bucket)
                        ) q
                        WINDOW w AS (PARTITION BY q.series_id ORDER BY bucket),
                               earlier AS (w ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
                    ) a
                ) b
                WINDOW w AS (PARTITION BY b.series_id ORDER BY bucket)
            ) c
        ), stretch AS (
            SELECT c.series_id, c.max_kw, c.moves, min(bucket) AS since, bucket_end('1d', max(bucket)) AS until
            FROM (SELECT o.*, count(*) FILTER (WHERE NOT opened) OVER (PARTITION BY o.series_id ORDER BY bucket) AS run FROM coarse o) c
            WHERE opened
            GROUP BY c.series_id, c.max_kw, c.moves, run
        ), fine AS (
            SELECT f.*
            FROM stretch s CROSS JOIN LATERAL (
                SELECT b.*, %2$s AS opened
                FROM (
                    SELECT q.*, sum(readings) OVER w AS upto, %1$s AS odd
                    FROM (
                        SELECT r.*, s.max_kw, s.moves, lag(last_value) OVER w AS before, lag(last_at) OVER w AS before_at
                        FROM rollup_15m r
                        WHERE r.series_id = s.series_id AND bucket >= s.since AND bucket < s.until
                        WINDOW w AS (ORDER BY bucket)
                    ) q
                    WINDOW w AS (ORDER BY bucket)
                ) b
                WINDOW w AS (ORDER BY bucket)
            ) f
        )
        SELECT f.series_id, r.time, r.value, 1::bigint, NULL::integer
        FROM fine f CROSS JOIN LATERAL (
            SELECT time, value FROM reading g WHERE g.series_id = f.series_id AND time BETWEEN f.first_at AND f.last_at
        ) r
        WHERE f.opened
        UNION ALL
        SELECT d.series_id, p.at, p.value, p.readings, NULL
        FROM (SELECT c.series_id, first_at, first_value, last_at, last_value, c.readings FROM coarse c
              UNION ALL SELECT f.series_id, first_at, first_value, last_at, last_value, f.readings FROM fine f) d
        CROSS JOIN LATERAL (VALUES (first_at, first_value, greatest(d.readings - 1, 1)), (last_at, last_value, 1)) p (at, value, readings)
        UNION ALL
        SELECT g.series_id, g.at, g.value, CASE WHEN g.read_by IS NULL THEN 1 ELSE 10 END, g.stay_id
        FROM series_register g WHERE g.series_id = ANY ($1)
        $sql$,
        'min_value < first_value OR max_value > last_value OR (first_value = 0 AND last_value > 0) OR last_value - first_value > max_kw / 4
         OR coalesce(NOT register_rises(before_at, before, first_at, first_value, max_kw), false)
         OR moves IS NOT NULL AND EXISTS (SELECT FROM unnest(moves) m WHERE m > first_at AND m <= last_at)',
        -- within ten readings of an odd one
        'coalesce(upto - readings - max(CASE WHEN odd THEN upto END) OVER (w ROWS UNBOUNDED PRECEDING) <= 10, false)
         OR coalesce(min(CASE WHEN odd THEN upto - readings END) OVER (w ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) - upto <= 10, false)',
        step IN ('15m', '1h'))
    USING series, since, until, max_kw;
END
$$;

-- Points with their part of the meter's stays, and in isles: stretches in which the register rises as it may.
-- Within ten readings of a break each point is an isle, for any of them may be wrong.
CREATE FUNCTION register_isles(
    series integer[], step text, since timestamptz[], until timestamptz[], max_kw double precision[]
) RETURNS TABLE (series_id integer, at timestamptz, value double precision, readings bigint, part integer, isle bigint)
LANGUAGE sql STABLE AS $$
    WITH stayed AS MATERIALIZED (
        SELECT w.id, w.max_kw, array_agg(p.from_at ORDER BY p.from_at) FILTER (WHERE p.from_at IS NOT NULL) AS froms,
               array_agg(p.stay_id ORDER BY p.from_at) AS stays
        FROM unnest(series, max_kw) w (id, max_kw)
        LEFT JOIN series_part p ON p.series_id = w.id
        GROUP BY w.id, w.max_kw
    ), placed AS (
        -- a register that was read counts more than a reading of its time
        SELECT DISTINCT ON (p.series_id, p.at, p.place) p.*, 2 * p.place AS part
        FROM (
            SELECT r.*, s.max_kw, coalesce(CASE WHEN r.stay_id IS NOT NULL THEN array_position(s.stays, r.stay_id) END,
                                           width_bucket(r.at, s.froms), 1) AS place
            FROM register_points(series, step, since, until, max_kw) r JOIN stayed s ON s.id = r.series_id
        ) p
        ORDER BY p.series_id, p.at, p.place, p.stay_id, p.readings
    ), stepped AS (
        SELECT p.*, lag(p.part) OVER w IS DISTINCT FROM p.part AS moves, sum(p.readings) OVER w AS upto,
               NOT register_rises(lag(p.at) OVER w, lag(p.value) OVER w, p.at, p.value, p.max_kw) AS breaks,
               lag(p.value) OVER w AS before, max(p.value) OVER earlier AS top
        FROM placed p
        WINDOW w AS (PARTITION BY p.series_id ORDER BY p.at, p.part),
               earlier AS (w ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
    ), apart AS (
        SELECT s.*, max(CASE WHEN s.breaks THEN ARRAY[s.upto::double precision, s.before] END) OVER earlier AS fell,
               s.upto - s.readings - max(CASE WHEN s.breaks THEN s.upto - s.readings END) OVER (w ROWS UNBOUNDED PRECEDING) AS after,
               min(CASE WHEN s.breaks THEN s.upto - s.readings END) OVER (w ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING) - s.upto AS ahead
        FROM stepped s
        WINDOW w AS (PARTITION BY s.series_id ORDER BY s.at, s.part),
               earlier AS (w ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
    )
    SELECT a.series_id, a.at, a.value, a.readings, a.part,
           count(*) FILTER (WHERE a.moves OR a.breaks OR least(a.after, a.ahead, a.last_ahead) <= 10 OR a.passes) OVER w
    FROM (
        SELECT d.*, lag(d.ahead) OVER (PARTITION BY d.series_id ORDER BY d.at, d.part) AS last_ahead,
               (d.before < d.top AND d.value >= d.top) OR (d.before < d.fell[2] AND d.value >= d.fell[2]) AS passes
        FROM apart d
    ) a
    WINDOW w AS (PARTITION BY a.series_id ORDER BY a.at, a.part)
$$;

-- Which readings to believe. Isles are stretches that rise; of those that follow one another without a fall or a jump (a break)
-- the fewest readings are to be disbelieved: a break costs as much as five of them, a rollover as two, and one at the ends, where
-- nothing says what comes, counts thrice. Only what lies above or below both of its neighbours can be, or a jump would be a rise.
-- Of equals that counts which counts the least energy, for none must come of nowhere. `held` is what lies in a long excursion.
CREATE FUNCTION register_chain(
    starts timestamptz[], lows double precision[], ends timestamptz[], highs double precision[], weights bigint[],
    max_kw double precision, size double precision
) RETURNS TABLE (isle integer, stand numeric, held boolean, mark text, prior integer) LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    count CONSTANT integer := cardinality(lows);
    costs double precision[] := '{}';
    gains double precision[] := '{}';
    priors integer[] := '{}';
    gates integer[] := '{}';
    bridged boolean[] := '{}';
    rolled boolean[] := '{}';
    rolls boolean;
    path integer[] := '{}';
    behind bigint := 0;
    between bigint;
    low double precision;
    high double precision;
    shadow double precision;
    step double precision;
    most double precision;
    cost double precision;
    best double precision;
    gain double precision;
    total numeric;
    j integer;
BEGIN
    FOR i IN 1 .. count LOOP
        best := 3 * behind;
        gain := 0;
        prior := NULL;
        between := 0;
        low := 'Infinity';
        high := '-Infinity';
        shadow := '-Infinity';
        j := i - 1;
        WHILE j > 0 AND between < 10 LOOP
            step := lows[i] - highs[j];
            most := max_kw * greatest(0.25, date_part('epoch', starts[i] - ends[j]) / 3600);
            cost := costs[j] + between;
            rolls := step < 0 AND step + size BETWEEN 0 AND least(size / 5, most) AND low > lows[i] AND high < highs[j];
            IF rolls THEN
                step := step + size;
                cost := cost + 2;
            ELSIF step NOT BETWEEN 0 AND most OR shadow >= highs[j] THEN
                cost := CASE WHEN j = i - 1 THEN cost + 5 END;
                step := 0;
            END IF;
            IF (cost, gains[j] + step) < (best, gain) THEN
                best := cost;
                gain := gains[j] + step;
                prior := j;
                rolled[i] := rolls;
            END IF;
            between := between + weights[j];
            low := least(low, lows[j]);
            high := greatest(high, highs[j]);
            shadow := CASE WHEN lows[j] <= lows[i] THEN greatest(shadow, highs[j]) ELSE shadow END;
            j := j - 1;
        END LOOP;
        -- back from an excursion of any length, which began and ended by steps from and to the stands around it
        FOREACH j IN ARRAY gates LOOP
            step := lows[j + 1] - highs[j];
            most := lows[i] - highs[i - 1];
            CONTINUE WHEN j = i - 1 OR NOT register_rises(ends[j], highs[j], starts[i], lows[i], max_kw)
                          OR NOT (CASE WHEN step < 0 THEN highs[i - 1] < highs[j] AND most >= -step / 2
                                       ELSE lows[j + 1] > lows[i] AND most < 0 AND step >= -most / 2 END);
            -- but for readings in it that are on the other side
            SELECT costs[j] + 4.5 + coalesce(sum(weights[k]), 0) INTO cost
            FROM generate_series(j + 1, i - 1) k
            WHERE CASE WHEN step < 0 THEN highs[k] >= highs[j] ELSE lows[k] <= lows[i] END;
            IF (cost, gains[j] + lows[i] - highs[j]) < (best, gain) THEN
                best := cost;
                gain := gains[j] + lows[i] - highs[j];
                prior := j;
                bridged[i] := true;
                rolled[i] := false;
            END IF;
        END LOOP;
        IF i > 1 AND NOT register_rises(ends[i - 1], highs[i - 1], starts[i], lows[i], max_kw) THEN
            gates := (i - 1) || gates[: 19];
        END IF;
        costs[i] := best;
        gains[i] := gain + highs[i] - lows[i];
        priors[i] := prior;
        behind := behind + weights[i];
    END LOOP;
    -- from the cheapest end back to the beginning
    behind := 0;
    best := NULL;
    FOR i IN REVERSE count .. 1 LOOP
        IF best IS NULL OR (costs[i] + 3 * behind, gains[i]) < (best, gain) THEN
            best := costs[i] + 3 * behind;
            gain := gains[i];
            path := ARRAY[i];
        END IF;
        behind := behind + weights[i];
    END LOOP;
    WHILE priors[path[1]] IS NOT NULL LOOP
        path := priors[path[1]] || path;
    END LOOP;
    total := lows[path[1]]::numeric;
    isle := 1;
    FOREACH j IN ARRAY path LOOP
        prior := priors[j];
        held := coalesce(bridged[j], false);
        mark := 'dip';
        stand := CASE WHEN held THEN total END;
        WHILE isle < j LOOP
            RETURN NEXT;
            isle := isle + 1;
        END LOOP;
        step := lows[j] - highs[prior];
        held := false;
        mark := NULL;
        IF register_rises(ends[prior], highs[prior], starts[j], lows[j], max_kw) THEN
            total := total + lows[j]::numeric - highs[prior]::numeric;
        ELSIF rolled[j] THEN
            total := total + lows[j]::numeric + size::numeric - highs[prior]::numeric;
            mark := 'rollover';
        ELSIF prior IS NOT NULL THEN
            mark := CASE WHEN step < 0 THEN 'reset' ELSE 'jump' END;
        END IF;
        stand := total;
        RETURN NEXT;
        total := total + highs[j]::numeric - lows[j]::numeric;
        isle := j + 1;
    END LOOP;
    held := false;
    mark := 'dip';
    stand := NULL;
    prior := NULL;
    WHILE isle <= count LOOP
        RETURN NEXT;
        isle := isle + 1;
    END LOOP;
END
$$;

-- Registers as they would stand had they never fallen nor jumped. Nothing is counted of readings that are not believed (dip); over
-- the top of a register with known digits it goes on (rollover); what it counted around another fall (reset), or around a rise
-- that no meter has the power for (jump), nobody knows: that is nothing. Each place of the meter has stands of its own (`part`),
-- with even numbers, and so has the way from one to the next. One stand before and one after the range are given too. Not SQL, so
-- that nothing is planned where there is no such register.
CREATE FUNCTION register_traced(
    series integer[], step text, since timestamptz[], until timestamptz[], max_kw double precision[]
) RETURNS TABLE (
    series_id integer, bucket timestamptz, first_at timestamptz, first_value numeric, last_at timestamptz, last_value numeric,
    flag text, part integer, point_id integer
) LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF series IS NULL THEN
        RETURN;
    END IF;
    RETURN QUERY
        WITH point AS MATERIALIZED (
            SELECT * FROM register_isles(series, step, since, until, max_kw)
        ), isle AS MATERIALIZED (
            SELECT p.series_id, p.isle, min(p.at) AS first_at, min(p.value) AS low, max(p.at) AS last_at, max(p.value) AS high,
                   sum(p.readings)::bigint AS readings, min(p.part) AS part
            FROM point p GROUP BY p.series_id, p.isle
        ), linked AS MATERIALIZED (
            SELECT a.series_id, c.*
            FROM (
                SELECT i.series_id, array_agg(i.first_at ORDER BY i.isle) AS starts, array_agg(i.low ORDER BY i.isle) AS lows,
                       array_agg(i.last_at ORDER BY i.isle) AS ends, array_agg(i.high ORDER BY i.isle) AS highs,
                       array_agg(i.readings ORDER BY i.isle) AS weights
                FROM isle i GROUP BY i.series_id
            ) a
            CROSS JOIN LATERAL register_chain(
                a.starts, a.lows, a.ends, a.highs, a.weights, max_kw[array_position(series, a.series_id)],
                (10 ^ register_digits(a.series_id))::double precision) c
        ), chain AS MATERIALIZED (
            SELECT l.*, i.first_at, i.low, i.high, i.part, o.part AS prior_part, o.last_at AS prior_at
            FROM linked l
            JOIN isle i ON i.series_id = l.series_id AND i.isle = l.isle
            LEFT JOIN isle o ON o.series_id = l.series_id AND o.isle = l.prior
        ), way AS (
            -- what was counted on the way is of neither place
            SELECT c.series_id, c.isle, c.prior_part + 1 AS part, c.prior_at, c.first_at, c.stand, c.mark,
                   p.stand + p.high::numeric - p.low::numeric AS left_with
            FROM chain c JOIN chain p ON p.series_id = c.series_id AND p.isle = c.prior
            WHERE c.part <> c.prior_part AND (c.mark IS NOT NULL OR c.stand > p.stand + p.high::numeric - p.low::numeric)
        ), stood AS MATERIALIZED (
            SELECT p.series_id, p.at, CASE WHEN c.held THEN c.stand ELSE c.stand + p.value::numeric - c.low::numeric END AS stand,
                   CASE WHEN c.mark = 'dip' OR (p.at = c.first_at AND w.isle IS NULL) THEN c.mark END AS flag, p.part
            FROM point p
            JOIN chain c ON c.series_id = p.series_id AND c.isle = p.isle
            LEFT JOIN way w ON w.series_id = p.series_id AND w.isle = p.isle
            UNION ALL
            SELECT w.series_id, w.prior_at, w.left_with, NULL, w.part FROM way w
            UNION ALL
            SELECT w.series_id, w.first_at, w.stand, w.mark, w.part FROM way w
        ), reach AS (
            SELECT s.series_id, coalesce(max(s.at) FILTER (WHERE s.at <= w.since AND s.stand IS NOT NULL), w.since) AS since,
                   coalesce(min(s.at) FILTER (WHERE s.at >= w.until AND s.stand IS NOT NULL), w.until) AS until
            FROM unnest(series, since, until) w (id, since, until) JOIN stood s ON s.series_id = w.id
            GROUP BY s.series_id, w.since, w.until
        ), stays AS (
            SELECT p.series_id, array_agg(p.point_id ORDER BY p.from_at) AS points
            FROM series_part p WHERE p.series_id = ANY (series) GROUP BY p.series_id
        )
        SELECT s.series_id, bucket_start(step, s.at), min(s.at) FILTER (WHERE s.stand IS NOT NULL), min(s.stand),
               max(s.at) FILTER (WHERE s.stand IS NOT NULL), max(s.stand), string_agg(DISTINCT s.flag, ' '), s.part,
               CASE WHEN s.part % 2 = 0 THEN y.points[s.part / 2] END
        FROM stood s
        JOIN reach r ON r.series_id = s.series_id AND s.at BETWEEN r.since AND r.until
        LEFT JOIN stays y ON y.series_id = s.series_id
        GROUP BY s.series_id, 2, s.part, y.points;
END
$$;
COMMENT ON FUNCTION register_traced IS 'Registers'' first and last stands by interval, as they would be had they never fallen nor jumped, and why they did.';

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
    low timestamptz := bucket_next(step, since);
    high timestamptz := bucket_next(step, until);
    pad interval := CASE step WHEN '15m' THEN interval '1 hour' WHEN '1h' THEN interval '3 hours'
                              WHEN '1d' THEN interval '3 days' ELSE interval '63 days' END;
    near interval := CASE step WHEN '15m' THEN interval '90 seconds' WHEN '1h' THEN interval '6 minutes'
                               ELSE interval '15 minutes' END;
    early timestamptz := CASE step WHEN '1mo' THEN bucket_start('1mo', low - pad) ELSE low - pad END;
    late timestamptz := high + pad;
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
            -- whose days fall, or rise by so much, or so much comes between those of a week or from week to week, that a jump may
            -- be in it; a look from day to day is five times as slow
            SELECT y.id, y.max_kw, bool_or(y.falls) AS falls
            FROM (
                SELECT w.id, w.max_kw, v.falls, greatest(v.rise, v.between_days, v.low - lag(v.high) OVER o) AS most
                FROM (
                    SELECT r.series_id, date_bin('7 days', r.bucket, $4) AS week, max(last_value - first_value) AS rise,
                           bool_or(min_value < first_value OR max_value > last_value) AS falls,
                           max(last_value) - min(first_value) - sum(last_value - first_value) AS between_days,
                           min(first_value) AS low, max(last_value) AS high
                    FROM rollup_1d r
                    WHERE %6$L AND r.bucket >= $4 AND r.bucket < $5 AND %3$s
                    GROUP BY 1, 2
                ) v JOIN wanted w ON w.id = v.series_id
                WINDOW o AS (PARTITION BY w.id ORDER BY v.week)
            ) y
            WHERE y.most > y.max_kw / 4 OR y.falls
            GROUP BY y.id, y.max_kw
        ), hilly AS MATERIALIZED (
            -- so much from one reading to the next that no meter has the power for it, which a day may well have
            SELECT d.series_id, coalesce(bool_or(d.jumps), false) AS jumps, min(d.bucket) AS since, max(d.bucket_end) AS until, max(d.max_kw) AS max_kw
            FROM (
                SELECT f.series_id, f.max_kw, f.bucket, bucket_end(%4$L, f.bucket) AS bucket_end, false AS jumps
                FROM followed f WHERE NOT %6$L AND last_value - first_value > f.max_kw / 4
                UNION ALL
                SELECT y.id, y.max_kw, y.bucket, y.bucket + interval '26 hours', y.step > y.max_kw * greatest(0.25, y.hours)
                FROM (
                    SELECT h.id, h.max_kw, r.bucket, last_value - first_value AS rise, first_value - lag(last_value) OVER o AS step,
                           date_part('epoch', first_at - lag(last_at) OVER o) / 3600 AS hours
                    FROM hasty h JOIN rollup_1d r ON r.series_id = h.id
                    WHERE %6$L AND NOT h.falls AND r.bucket >= $4 AND r.bucket < $5 AND %3$s
                    WINDOW o AS (PARTITION BY h.id ORDER BY r.bucket)
                ) y
                WHERE y.rise > y.max_kw / 4 OR y.step > y.max_kw * greatest(0.25, y.hours)
            ) d
            GROUP BY d.series_id
        ), steep AS MATERIALIZED (
            SELECT h.series_id FROM hilly h WHERE h.jumps
            UNION ALL
            SELECT h.id FROM hasty h WHERE h.falls
            UNION ALL
            SELECT j.series_id
            FROM (
                SELECT array_agg(h.series_id) AS ids, array_agg(h.since) AS sinces, array_agg(h.until) AS untils,
                       array_agg(h.max_kw) AS max_kws
                FROM hilly h WHERE NOT h.jumps
            ) a CROSS JOIN LATERAL register_jumps(a.ids, a.sinces, a.untils, a.max_kws) j (series_id)
        ), stood AS MATERIALIZED (
            -- where a register stood higher before, or stands lower afterwards, an excursion may reach into the range
            SELECT b.series_id, max(b.max_value) FILTER (WHERE b.bucket < $4) AS top, min(b.min_value) FILTER (WHERE b.bucket >= $4) AS bottom
            FROM (
                SELECT r.series_id, r.bucket, r.max_value, r.min_value FROM rollup_1mo r WHERE r.bucket < $7 AND %3$s
                UNION ALL
                SELECT r.series_id, r.bucket, r.max_value, r.min_value FROM rollup_1mo r WHERE r.bucket >= $11 AND %3$s
                UNION ALL
                SELECT r.series_id, r.bucket, r.max_value, r.min_value FROM rollup_1d r
                WHERE NOT %6$L AND (r.bucket >= $7 AND r.bucket < $8 OR r.bucket >= $10 AND r.bucket < $11) AND %3$s
                UNION ALL
                SELECT r.series_id, r.bucket, r.max_value, r.min_value FROM %2$I r
                WHERE %7$L AND (r.bucket >= $8 AND r.bucket < $4 OR r.bucket >= $5 AND r.bucket < $10) AND %3$s
            ) b
            GROUP BY b.series_id
        ), extent AS (
            SELECT f.series_id, max(f.max_kw) AS max_kw, min(first_at) AS first_at, max(last_at) AS last_at,
                   bool_or(coalesce(before > first_value OR (before = 0 AND first_value > 0)
                                    OR (first_value - before > f.max_kw / 4
                                        AND first_value - before > f.max_kw * date_part('epoch', first_at - before_at) / 3600), false)
                           OR min_value < first_value OR max_value > last_value OR (first_value = 0 AND last_value > 0))
                   OR coalesce(max(s.top) > min(first_value), false) OR coalesce(min(s.bottom) < max(last_value), false)
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
            SELECT t.bucket, t.series_id, t.first_at, t.first_value, t.last_at, t.last_value, t.flag, t.part, t.point_id
            FROM (
                SELECT array_agg(p.series_id) AS ids, array_agg(p.first_at) AS firsts, array_agg(p.last_at) AS lasts,
                       array_agg(p.max_kw) AS max_kws
                FROM place p WHERE p.traced
            ) a CROSS JOIN LATERAL register_traced(a.ids, %4$L, a.firsts, a.lasts, a.max_kws) t
        ), fineness AS MATERIALIZED (
            -- of all time, so that stands at boundaries are rounded alike whatever the range, and their differences add up
            SELECT r.series_id, least(6, max(r.decimals)) AS decimals
            FROM (
                SELECT m.series_id, m.decimals FROM rollup_1mo m
                UNION ALL
                SELECT g.series_id, scale(g.value::numeric) FROM series_register g
            ) r
            WHERE %3$s
            GROUP BY r.series_id
        ), framed AS (
            SELECT s.*, lag(last_at) OVER w AS before_at, lag(last_value) OVER w AS before,
                   lead(first_at) OVER w AS after_at, lead(first_value) OVER w AS after,
                   lag(s.bucket) OVER w AS before_bucket, d.decimals
            FROM stand s JOIN fineness d ON d.series_id = s.series_id
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
    USING low, high, series_ids, early, late, near, bucket_start('1mo', early), bucket_start('1d', early), store_max_power_kw(),
        bucket_next('1d', late), bucket_next('1mo', late);
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

REVOKE EXECUTE ON FUNCTION consumption, register_digits, register_points, register_jumps, register_isles, register_chain,
    register_traced, readings_before, readings_after FROM PUBLIC;
GRANT EXECUTE ON FUNCTION consumption TO wattline_ingestor, wattline_gateway, wattline_grafana;
