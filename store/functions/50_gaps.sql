-- Where readings are missing: by the cadence of each series.

-- The distance of the readings in an interval, or from the one before to its only one.
CREATE OR REPLACE FUNCTION mean_step_s(first_at timestamptz, last_at timestamptz, readings bigint, before_at timestamptz) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN readings > 1 THEN date_part('epoch', last_at - first_at) / (readings - 1) ELSE date_part('epoch', first_at - before_at) END;

-- What readings are lost makes a mean longer, by little where they are few: the shortest of those about the median, less a tenth
-- of them, is what the line gives when it is whole, also where most intervals lack some.
CREATE OR REPLACE FUNCTION usual_step_s(steps double precision[]) RETURNS double precision LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT percentile_cont(0.1) WITHIN GROUP (ORDER BY s)
    FROM unnest(steps) s
    WHERE s >= 0.9 * (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY m) FROM unnest(steps) m)
$$;

-- What is read from a meter's memory comes at the meter's own intervals, and says nothing of how often the meter is read.
CREATE OR REPLACE FUNCTION read_live_between(series integer, since timestamptz, until timestamptz) RETURNS boolean
LANGUAGE sql STABLE COST 1000 AS $$
    SELECT EXISTS (
        SELECT FROM reading r
        WHERE r.series_id = series AND r.time BETWEEN since AND until
              AND r.source NOT IN (SELECT id FROM reading_source WHERE source = 'profile'))
$$;
COMMENT ON FUNCTION read_live_between IS 'Whether a series has a reading in [since, until] that is not of the memory of its meter.';

-- Readings are looked at only of days that are noted: of 10 000 meters that tells in seconds, not in minutes.
CREATE OR REPLACE FUNCTION heard_live(meter integer, series integer, since timestamptz, until timestamptz) RETURNS boolean
LANGUAGE sql STABLE COST 100
RETURN NOT EXISTS (
        SELECT FROM profile_day p
        WHERE p.meter_id = meter AND p.day BETWEEN (since AT TIME ZONE 'UTC')::date AND (until AT TIME ZONE 'UTC')::date)
    OR read_live_between(series, since, until);
COMMENT ON FUNCTION heard_live IS 'read_live_between of a series of a meter that has readings in [since, until].';

-- Null until three distances between readings are known: two readings of a new meter say nothing yet. By the quarter-hours
-- of the last day, else by the days of a month, which tell of a meter that is read once a day.
CREATE OR REPLACE FUNCTION series_cadence(series integer[], heard_at timestamptz[])
RETURNS TABLE (series_id integer, cadence_s double precision) LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF cardinality(series) > 0 THEN
        RETURN QUERY EXECUTE $sql$
            SELECT u.series_id, coalesce(h.step_s, d.step_s)
            FROM (
                SELECT n.series_id, n.heard_at, i.meter_id, EXISTS (SELECT FROM profile_day p WHERE p.meter_id = i.meter_id) AS remembers
                FROM unnest($1, $2) n (series_id, heard_at)
                LEFT JOIN series i ON i.id = n.series_id
            ) u
            CROSS JOIN LATERAL (
                SELECT CASE WHEN sum(steps) >= 3 THEN usual_step_s(array_agg(step_s)) END AS step_s
                FROM (
                    SELECT readings - CASE WHEN lag(last_at) OVER w IS NULL THEN 1 ELSE 0 END AS steps,
                           mean_step_s(first_at, last_at, readings, lag(last_at) OVER w) AS step_s
                    FROM rollup_15m r
                    WHERE r.series_id = u.series_id AND r.bucket > u.heard_at - interval '26 hours' AND r.bucket <= u.heard_at
                          AND (NOT u.remembers OR heard_live(u.meter_id, r.series_id, r.first_at, r.last_at))
                    WINDOW w AS (ORDER BY bucket)
                ) s
            ) h
            CROSS JOIN LATERAL (
                SELECT CASE WHEN sum(steps) >= 3 THEN usual_step_s(array_agg(step_s)) END AS step_s
                FROM (
                    SELECT readings - CASE WHEN lag(last_at) OVER w IS NULL THEN 1 ELSE 0 END AS steps,
                           mean_step_s(first_at, last_at, readings, lag(last_at) OVER w) AS step_s
                    FROM rollup_1d r
                    WHERE h.step_s IS NULL AND r.series_id = u.series_id AND r.bucket > u.heard_at - interval '32 days'
                          AND r.bucket <= u.heard_at AND (NOT u.remembers OR heard_live(u.meter_id, r.series_id, r.first_at, r.last_at))
                    WINDOW w AS (ORDER BY bucket)
                ) s
            ) d
            $sql$ USING series, heard_at;
    END IF;
END
$$;
COMMENT ON FUNCTION series_cadence IS 'How far apart the readings of series usually are, as of the last reading of each; null where too few are known.';

-- A meter behind another one reads at a pace of its own, of which device and spec know nothing; and which one that is only a
-- registration tells, with the port.
CREATE OR REPLACE VIEW meter_stated_cadence AS
SELECT m.id AS meter_id, greatest((t.effective ->> 'reading_interval_s')::double precision,
                                  (s.document #>> '{link,interval_s}')::double precision) AS cadence_s
FROM meter m
LEFT JOIN reported t ON t.device_id = m.device_id
LEFT JOIN spec s ON s.name || '@' || s.version = m.spec
WHERE m.parent_id IS NULL AND m.port IS NOT NULL;
COMMENT ON VIEW meter_stated_cadence IS 'How often a main meter is to read, as device and spec have it: what holds until its own readings tell.';

CREATE OR REPLACE FUNCTION due_before(at timestamptz, from_at timestamptz, step_s double precision, most double precision) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN least(most, greatest(0, ceil(date_part('epoch', at - from_at) / step_s) - 1));
COMMENT ON FUNCTION due_before IS 'How many readings of a gap that begins at from_at were due before a time.';

-- By an hour at most: the longest capture period of load profiles that anybody uses.
CREATE OR REPLACE FUNCTION profile_covers(of_meter integer, since timestamptz, until timestamptz) RETURNS boolean
LANGUAGE sql STABLE COST 10000 AS $$
    SELECT count(*) FILTER (WHERE told) > 0 AND max(apart) <= interval '1 hour'
    FROM (
        SELECT t.told, t.at - lag(t.at) OVER (ORDER BY t.at) AS apart
        FROM (
            SELECT since AS at, false AS told
            UNION ALL SELECT until, false
            UNION ALL
            SELECT r.time, true
            FROM reading r
            JOIN series s ON s.id = r.series_id
            WHERE s.meter_id = of_meter AND r.time BETWEEN since AND until
                  AND r.source IN (SELECT id FROM reading_source WHERE source = 'profile')
        ) t
    ) s
$$;
COMMENT ON FUNCTION profile_covers IS
    'Whether what was read from the memory of a meter tells all of a stretch, without a hole of more than an hour.';

CREATE OR REPLACE FUNCTION meter_gap_between(since timestamptz, until timestamptz)
RETURNS TABLE (
    device text, meter text, meter_id integer, from_at timestamptz, until_at timestamptz, cadence_s double precision,
    missing integer, open boolean, total integer
)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp SET work_mem = '32MB' AS $$
BEGIN
    -- as a text, so that it is planned for these times
    RETURN QUERY EXECUTE format($sql$
        WITH hourly AS MATERIALIZED (
            SELECT s.meter_id, r.series_id, r.bucket, r.first_at, r.last_at, r.readings
            FROM rollup_1h r
            JOIN series s ON s.id = r.series_id
            WHERE r.bucket >= %1$L::timestamptz AND r.bucket < %2$L::timestamptz
        ), speaker AS MATERIALIZED (
            -- the series that a meter sends most often speaks for it, and none that only its memory has
            SELECT DISTINCT ON (s.meter_id) s.id AS series_id, m.id, m.key, m.device_id, m.removed_at, y.meter_id IS NOT NULL AS remembers
            FROM series s
            JOIN meter m ON m.id = s.meter_id
            LEFT JOIN (
                SELECT DISTINCT p.meter_id FROM profile_day p
                WHERE p.day BETWEEN (%1$L::timestamptz AT TIME ZONE 'UTC')::date AND (%2$L::timestamptz AT TIME ZONE 'UTC')::date
            ) y ON y.meter_id = m.id
            LEFT JOIN (SELECT h.series_id, sum(h.readings) AS readings FROM hourly h GROUP BY 1) c ON c.series_id = s.id
            LEFT JOIN (
                SELECT r.series_id, sum(r.readings) AS readings
                FROM rollup_1d r
                WHERE r.bucket >= %1$L::timestamptz - interval '32 days' AND r.bucket < $2 AND r.series_id = ANY (ARRAY(
                          SELECT n.id FROM series n WHERE n.meter_id NOT IN (SELECT h.meter_id FROM hourly h)))
                GROUP BY 1
            ) b ON b.series_id = s.id
            WHERE m.removed_at IS NULL OR m.removed_at > $1
            ORDER BY s.meter_id,
                     y.meter_id IS NOT NULL AND c.readings > 0 AND NOT read_live_between(s.id, %1$L, %2$L),
                     c.readings DESC NULLS LAST, b.readings DESC NULLS LAST, s.id
        ), part AS MATERIALIZED (
            SELECT h.*, l.live, lag(h.last_at) OVER w AS before_at, lag(l.live) OVER w AS before_live
            FROM hourly h
            JOIN speaker s ON s.series_id = h.series_id
            CROSS JOIN LATERAL (SELECT NOT s.remembers OR heard_live(h.meter_id, h.series_id, h.first_at, h.last_at) AS live) l
            WINDOW w AS (PARTITION BY h.series_id ORDER BY h.bucket)
        ), heard AS MATERIALIZED (
            SELECT series_id, min(first_at) AS first_at, max(last_at) AS last_at,
                   -- of fewer hours too many may have gaps
                   CASE WHEN count(*) FILTER (WHERE live) >= 8
                        THEN usual_step_s(array_agg(mean_step_s(first_at, last_at, readings, before_at)) FILTER (WHERE live)) END AS step_s
            FROM part GROUP BY series_id
        ), edge AS MATERIALIZED (
            SELECT e.series_id, e.at
            FROM readings_before(ARRAY(
                SELECT s.series_id FROM speaker s LEFT JOIN heard h ON h.series_id = s.series_id
                WHERE h.first_at IS NULL OR h.first_at >= $1), %1$L) e
        ), known AS MATERIALIZED (
            SELECT s.*, greatest(h.last_at, e.at) AS last_at, e.at AS edge_at, h.step_s
            FROM speaker s LEFT JOIN heard h ON h.series_id = s.series_id LEFT JOIN edge e ON e.series_id = s.series_id
        ), cadence AS MATERIALIZED (
            -- rounded, so that a gap of several days has as many readings by each of them; nobody reads each millisecond
            SELECT k.*, e.s AS exact_s, nullif(round(e.s::numeric, 3), 0)::double precision AS s
            FROM known k
            LEFT JOIN series_cadence(
                ARRAY(SELECT series_id FROM known WHERE step_s IS NULL ORDER BY series_id),
                ARRAY(SELECT last_at FROM known WHERE step_s IS NULL ORDER BY series_id)) o ON o.series_id = k.series_id
            LEFT JOIN meter_stated_cadence t ON t.meter_id = k.id
            CROSS JOIN LATERAL (SELECT coalesce(k.step_s, o.cadence_s, t.cadence_s) AS s) e
        ), after AS MATERIALIZED (
            SELECT a.series_id, a.at
            FROM readings_after(ARRAY(
                SELECT c.series_id FROM cadence c
                WHERE %2$L::timestamptz < now() AND date_part('epoch', %2$L::timestamptz - c.last_at) > c.s / 2), %2$L) a
        ), thin AS MATERIALIZED (
            -- few hours have too few readings, and few of their quarter-hours
            SELECT p.series_id, p.bucket, c.exact_s
            FROM part p JOIN cadence c ON c.series_id = p.series_id
            WHERE p.live AND date_part('epoch', p.last_at - p.first_at) > c.exact_s * (p.readings - 0.5)
        ), quarter AS MATERIALIZED (
            SELECT t.series_id, t.exact_s, r.first_at, r.last_at, r.readings,
                   lag(r.last_at) OVER (PARTITION BY t.series_id, t.bucket ORDER BY r.bucket) AS before_at
            FROM rollup_15m r
            JOIN thin t ON t.series_id = r.series_id AND t.bucket = time_bucket('1 hour', r.bucket)
            WHERE r.bucket >= %1$L::timestamptz AND r.bucket < %2$L::timestamptz
                  AND r.series_id = ANY (ARRAY(SELECT DISTINCT n.series_id FROM thin n))
        ), hole AS (
            SELECT p.series_id, coalesce(p.before_at, c.edge_at) AS from_at, p.first_at AS until_at, true AS closed
            FROM part p JOIN cadence c ON c.series_id = p.series_id
            -- between two intervals of a memory there is a hole only where an hour of it is missing
            WHERE p.live OR coalesce(p.before_live, true) OR p.first_at - p.before_at > interval '1 hour'
            UNION ALL
            SELECT q.series_id, q.before_at, q.first_at, true FROM quarter q
            UNION ALL
            SELECT q.series_id, r.before_at, r.time, true
            FROM quarter q
            CROSS JOIN LATERAL (
                SELECT time, lag(time) OVER (ORDER BY time) AS before_at
                FROM reading WHERE series_id = q.series_id AND time BETWEEN q.first_at AND q.last_at
            ) r
            WHERE date_part('epoch', q.last_at - q.first_at) > q.exact_s * (q.readings - 0.5)
            UNION ALL
            SELECT c.series_id, c.last_at, coalesce(a.at, least(now(), c.removed_at)), a.at IS NOT NULL
            FROM cadence c LEFT JOIN after a ON a.series_id = c.series_id AND a.at < coalesce(c.removed_at, 'infinity')
        ), sized AS (
            -- at the end of a closed gap is a reading; what was due within it is taken as evenly spread
            SELECT c.*, h.from_at, h.until_at, h.closed, l.s AS long_s,
                   least(CASE WHEN h.closed THEN round(l.s / c.s) ELSE ceil(l.s / c.s) END - 1, 2147483647) AS total
            FROM hole h
            JOIN cadence c ON c.series_id = h.series_id
            CROSS JOIN LATERAL (SELECT date_part('epoch', h.until_at - h.from_at) AS s) l
            WHERE h.until_at > $1 AND h.from_at < $2 AND l.s > CASE WHEN h.closed THEN 1.5 * c.s ELSE greatest(c.s + 60, 1.5 * c.s) END
                  AND NOT (h.closed AND profile_covers(c.id, h.from_at, h.until_at))
        ), counted AS (
            SELECT g.*, (due_before($2, g.from_at, w.s, g.total) - due_before($1, g.from_at, w.s, g.total))::integer AS missing
            FROM sized g
            CROSS JOIN LATERAL (SELECT CASE WHEN g.closed THEN g.long_s / (g.total + 1) ELSE g.s END AS s) w
        )
        SELECT d.name, g.key, g.id, g.from_at, g.until_at, g.s, g.missing, NOT g.closed AND g.removed_at IS NULL, g.total::integer
        FROM counted g
        LEFT JOIN device d ON d.id = g.device_id
        WHERE g.missing > 0
        ORDER BY g.from_at, g.key
        $sql$, bucket_start('1h', since - interval '2 hours'), bucket_end('1h', bucket_start('1h', until - interval '1 microsecond')))
    USING since, until;
END
$$;
COMMENT ON FUNCTION meter_gap_between IS
    'Stretches, told whole, in which readings were due within [since, until): so many are `missing`, of `total`; open ones go on.';

CREATE OR REPLACE VIEW meter_gap AS
SELECT * FROM meter_gap_between(now() - interval '24 hours', now());
COMMENT ON VIEW meter_gap IS 'meter_gap_between over the last 24 hours.';

-- What a product without a spec sends is kept as frames, so that such a meter is no silent one. Of a meter that has not told its
-- cadence yet, one behind another may be read once a day.
CREATE OR REPLACE FUNCTION meter_silence(longer_than interval DEFAULT '30 minutes')
RETURNS TABLE (
    device text, meter text, parent text, meter_id integer, online boolean, heard_at timestamptz, silent_s double precision, cadence_s double precision
)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH quiet AS MATERIALIZED (
        SELECT m.id, m.key, m.parent_id, m.device_id, r.series_id, greatest(r.time, f.received_at) AS heard_at,
               coalesce(greatest(r.time, f.received_at), m.installed_at, '-infinity') AS since
        FROM meter m
        JOIN meter_spec x ON x.meter_id = m.id
        LEFT JOIN (SELECT DISTINCT ON (l.meter_id) l.meter_id, l.series_id, l.time FROM latest_reading l ORDER BY l.meter_id, l.time DESC, l.series_id) r
               ON r.meter_id = m.id
        LEFT JOIN LATERAL (
            SELECT received_at FROM frame
            WHERE x.spec IS NULL AND frame.meter_id = m.id AND kind = 'frame'
            ORDER BY received_at DESC
            LIMIT 1
        ) f ON true
        WHERE m.removed_at IS NULL AND coalesce(greatest(r.time, f.received_at), m.installed_at, '-infinity') < now() - longer_than
    )
    SELECT d.name, q.key, p.key, q.id, d.online, q.heard_at, extract(epoch FROM now() - nullif(q.since, '-infinity'))::double precision,
           coalesce(o.cadence_s, t.cadence_s)
    FROM quiet q
    LEFT JOIN device d ON d.id = q.device_id
    LEFT JOIN meter p ON p.id = q.parent_id
    LEFT JOIN series_cadence(
        ARRAY(SELECT series_id FROM quiet WHERE series_id IS NOT NULL ORDER BY series_id),
        ARRAY(SELECT heard_at FROM quiet WHERE series_id IS NOT NULL ORDER BY series_id)) o ON o.series_id = q.series_id
    LEFT JOIN meter_stated_cadence t ON t.meter_id = q.id
    WHERE q.since < now() - 3 * make_interval(secs => coalesce(o.cadence_s, t.cadence_s, CASE WHEN q.parent_id IS NULL THEN 0 ELSE 86400 END))
$$;
COMMENT ON FUNCTION meter_silence IS
    'Meters in place of which nothing has come for so long and for three of their own cadences; heard_at is null where nothing ever has.';

REVOKE EXECUTE ON FUNCTION read_live_between, heard_live, series_cadence, profile_covers, meter_gap_between, meter_silence FROM PUBLIC;
GRANT EXECUTE ON FUNCTION meter_gap_between, meter_silence TO wattline_ingestor, wattline_gateway, wattline_grafana;
