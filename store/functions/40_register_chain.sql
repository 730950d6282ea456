-- A register followed over falls and swaps.

-- Which readings to believe. Isles are stretches that rise; of those that follow one another without a fall or a jump (a break)
-- the fewest readings are to be disbelieved: a break costs as much as five of them, a rollover as two, and one at the ends, where
-- nothing says what comes, counts thrice, up to three of them: a meter beyond its power has nothing but breaks, which must be told. Only what lies above or below both of its neighbours can be, or a jump would be a rise.
-- Of equals that counts which counts the least energy, for none must come of nowhere. `held` is what lies in a long excursion.
CREATE OR REPLACE FUNCTION register_chain(
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
        best := CASE WHEN behind <= 3 THEN 3 * behind ELSE 'Infinity'::double precision END;
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
        EXIT WHEN behind > 3;
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
CREATE OR REPLACE FUNCTION register_traced(
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

REVOKE EXECUTE ON FUNCTION register_chain, register_traced FROM PUBLIC;
