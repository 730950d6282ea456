-- The readings of a register that count: falls, jumps and isles left out.

CREATE OR REPLACE FUNCTION register_digits(series_id integer) RETURNS integer LANGUAGE sql STABLE AS $$
    SELECT coalesce(
        (SELECT (p ->> 'digits')::integer FROM jsonb_array_elements(d.document -> 'points') p WHERE p ->> 'obis' = s.obis),
        (d.document ->> 'digits')::integer)
    FROM series s
    JOIN meter m ON m.id = s.meter_id
    JOIN spec d ON d.name || '@' || d.version = m.spec
    WHERE s.id = register_digits.series_id
$$;
COMMENT ON FUNCTION register_digits IS 'Whole digits of a register, by its meter''s spec: it rolls over at 10 to this power. Null where unknown.';

-- Of some registers, each from since to until, those whose quarter-hours have a jump that readings are to be asked about. Not SQL,
-- so that it is planned where it is called only, and once for all of them: planning takes longer than a register's year.
CREATE OR REPLACE FUNCTION register_jumps(series integer[], since timestamptz[], until timestamptz[], max_kw double precision[])
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
CREATE OR REPLACE FUNCTION register_rises(
    before_at timestamptz, before double precision, at timestamptz, value double precision, max_kw double precision
) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN value >= before AND value - before <= max_kw * greatest(0.25, date_part('epoch', at - before_at) / 3600);

-- The readings that say all of some registers: first and last ones where days and quarter-hours rise, all of those around anything
-- else from since to until and some days beyond, and the registers of stays at swaps. Days are of all time, so that every range and
-- step sees the same; `readings` is how many a point stands for.
CREATE OR REPLACE FUNCTION register_points(
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
                               min(min_value) OVER (back ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS low,
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
                               back AS (PARTITION BY q.series_id ORDER BY bucket DESC),
                               earlier AS (w ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
                    ) a
                ) b
                WINDOW w AS (PARTITION BY b.series_id ORDER BY bucket), back AS (PARTITION BY b.series_id ORDER BY bucket DESC)
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
                WINDOW w AS (ORDER BY bucket), back AS (ORDER BY bucket DESC)
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
        -- within ten readings of an odd one; backwards, for a frame up to the last row is summed anew for each row
        'coalesce(upto - readings - max(CASE WHEN odd THEN upto END) OVER (w ROWS UNBOUNDED PRECEDING) <= 10, false)
         OR coalesce(min(CASE WHEN odd THEN upto - readings END) OVER (back ROWS UNBOUNDED PRECEDING) - upto <= 10, false)',
        step IN ('15m', '1h'))
    USING series, since, until, max_kw;
END
$$;

-- Points with their part of the meter's stays, and in isles: stretches in which the register rises as it may.
-- Within ten readings of a break each point is an isle, for any of them may be wrong.
CREATE OR REPLACE FUNCTION register_isles(
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
               min(CASE WHEN s.breaks THEN s.upto - s.readings END) OVER (back ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) - s.upto AS ahead
        FROM stepped s
        WINDOW w AS (PARTITION BY s.series_id ORDER BY s.at, s.part),
               back AS (PARTITION BY s.series_id ORDER BY s.at DESC, s.part DESC),
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

REVOKE EXECUTE ON FUNCTION register_digits, register_jumps, register_points, register_isles FROM PUBLIC;
