-- What was consumed in each bucket of time.

CREATE OR REPLACE FUNCTION between_readings(
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
CREATE OR REPLACE FUNCTION readings_before(series integer[], since timestamptz)
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

CREATE OR REPLACE FUNCTION readings_after(series integer[], until timestamptz)
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

CREATE OR REPLACE FUNCTION consumption(step text, since timestamptz, until timestamptz, series_ids integer[])
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

CREATE OR REPLACE FUNCTION consumption_15m(since timestamptz, until timestamptz, series_ids integer[] DEFAULT NULL)
RETURNS TABLE (
    bucket timestamptz, bucket_end timestamptz, series_id integer, value numeric, estimated boolean, flag text, point_id integer
)
LANGUAGE sql STABLE AS $$ SELECT * FROM consumption('15m', since, until, series_ids) $$;
COMMENT ON FUNCTION consumption_15m IS 'What registers consumed by quarter-hour; estimated where no reading is near a boundary; flag says what happened; point_id where.';

CREATE OR REPLACE FUNCTION consumption_1h(since timestamptz, until timestamptz, series_ids integer[] DEFAULT NULL)
RETURNS TABLE (
    bucket timestamptz, bucket_end timestamptz, series_id integer, value numeric, estimated boolean, flag text, point_id integer
)
LANGUAGE sql STABLE AS $$ SELECT * FROM consumption('1h', since, until, series_ids) $$;
COMMENT ON FUNCTION consumption_1h IS 'As consumption_15m, by hour.';

CREATE OR REPLACE FUNCTION consumption_1d(since timestamptz, until timestamptz, series_ids integer[] DEFAULT NULL)
RETURNS TABLE (
    bucket timestamptz, bucket_end timestamptz, series_id integer, value numeric, estimated boolean, flag text, point_id integer
)
LANGUAGE sql STABLE AS $$ SELECT * FROM consumption('1d', since, until, series_ids) $$;
COMMENT ON FUNCTION consumption_1d IS 'As consumption_15m, by day of store_zone().';

CREATE OR REPLACE FUNCTION consumption_1mo(since timestamptz, until timestamptz, series_ids integer[] DEFAULT NULL)
RETURNS TABLE (
    bucket timestamptz, bucket_end timestamptz, series_id integer, value numeric, estimated boolean, flag text, point_id integer
)
LANGUAGE sql STABLE AS $$ SELECT * FROM consumption('1mo', since, until, series_ids) $$;
COMMENT ON FUNCTION consumption_1mo IS 'As consumption_15m, by month of store_zone().';

REVOKE EXECUTE ON FUNCTION readings_before, readings_after, consumption FROM PUBLIC;
GRANT EXECUTE ON FUNCTION consumption TO wattline_ingestor, wattline_gateway, wattline_grafana;
