-- Where each meter's readings are missing, against how often it usually reads.

CREATE FUNCTION meter_gap_between(since timestamptz, until timestamptz)
RETURNS TABLE (
    device text, meter text, meter_id integer, from_at timestamptz, until_at timestamptz, cadence_s double precision,
    missing integer, open boolean
)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp SET work_mem = '32MB' AS $$
DECLARE
    heard_from timestamptz := bucket_start('15m', since - interval '2 hours');
    speakers integer[];
BEGIN
    -- as texts, so that they are planned for these times and series
    EXECUTE $sql$
        SELECT array_agg(series_id) FROM (
            -- the series that a meter sends most often speaks for it
            SELECT DISTINCT ON (s.meter_id) s.id AS series_id
            FROM series s
            JOIN meter m ON m.id = s.meter_id
            LEFT JOIN (
                SELECT series_id, sum(readings) AS readings FROM rollup_1h
                WHERE bucket >= $1 - interval '1 hour' AND bucket < $2 GROUP BY 1
            ) c ON c.series_id = s.id
            WHERE m.removed_at IS NULL OR m.removed_at > $1
            ORDER BY s.meter_id, c.readings DESC NULLS LAST, s.id
        ) busiest
        $sql$ INTO speakers USING since, until;
    RETURN QUERY EXECUTE format($sql$
        WITH part AS MATERIALIZED (
            SELECT series_id, first_at, last_at, readings, before_at,
                   CASE WHEN readings > 1 THEN date_part('epoch', last_at - first_at) / (readings - 1)
                        ELSE date_part('epoch', first_at - before_at) END AS step_s
            FROM (
                SELECT series_id, first_at, last_at, readings, lag(last_at) OVER (PARTITION BY series_id ORDER BY bucket) AS before_at
                FROM rollup_15m
                WHERE bucket >= %1$L::timestamptz AND bucket < $2 AND series_id = ANY (%2$L::integer[])
            ) r
        ), heard AS MATERIALIZED (
            SELECT series_id, min(first_at) AS first_at, max(last_at) AS last_at, count(step_s) AS steps,
                   percentile_cont(0.5) WITHIN GROUP (ORDER BY step_s) AS step_s
            FROM part GROUP BY series_id
        ), edge AS MATERIALIZED (
            SELECT e.series_id, e.at
            FROM readings_before(ARRAY(
                SELECT u.series_id FROM unnest(%2$L::integer[]) u (series_id) LEFT JOIN heard h ON h.series_id = u.series_id
                WHERE h.first_at IS NULL OR h.first_at >= $1), %1$L) e
        ), cadence AS MATERIALIZED (
            SELECT s.id AS series_id, coalesce(
                       CASE WHEN h.steps >= 3 THEN h.step_s END,
                       (SELECT date_part('epoch', d.last_at - d.first_at) / nullif(d.readings - 1, 0)
                        FROM rollup_1d d WHERE d.series_id = s.id AND d.bucket < $2
                        ORDER BY d.bucket DESC LIMIT 1),
                       (t.effective ->> 'reading_interval_s')::double precision, h.step_s) AS s,
                   greatest(h.last_at, e.at) AS last_at, e.at AS edge_at, m.id, m.key, d.name, m.removed_at
            FROM series s
            JOIN meter m ON m.id = s.meter_id
            LEFT JOIN device d ON d.id = m.device_id
            LEFT JOIN reported t ON t.device_id = m.device_id
            LEFT JOIN heard h ON h.series_id = s.id
            LEFT JOIN edge e ON e.series_id = s.id
            WHERE s.id = ANY (%2$L::integer[])
        ), hole AS (
            SELECT c.*, coalesce(p.before_at, c.edge_at) AS from_at, p.first_at AS until_at, false AS open
            FROM part p JOIN cadence c ON c.series_id = p.series_id
            WHERE date_part('epoch', p.first_at - coalesce(p.before_at, c.edge_at)) > 1.5 * c.s
            UNION ALL
            -- within a quarter-hour only the readings tell, and few quarter-hours have too few of them
            SELECT c.*, r.before_at, r.time, false
            FROM part p
            JOIN cadence c ON c.series_id = p.series_id
            CROSS JOIN LATERAL (
                SELECT time, lag(time) OVER (ORDER BY time) AS before_at
                FROM reading WHERE series_id = p.series_id AND time BETWEEN p.first_at AND p.last_at
            ) r
            WHERE date_part('epoch', p.last_at - p.first_at) > c.s * (p.readings - 0.5)
                  AND date_part('epoch', r.time - r.before_at) > 1.5 * c.s
            UNION ALL
            SELECT c.*, c.last_at, least($2, now(), c.removed_at), $2 >= now() AND c.removed_at IS NULL
            FROM cadence c
            WHERE date_part('epoch', least($2, now(), c.removed_at) - c.last_at) > greatest(c.s + 60, 1.5 * c.s)
        )
        SELECT h.name, h.key, h.id, h.from_at, h.until_at, h.s,
               -- an open gap has no reading at its end
               (round((date_part('epoch', h.until_at - h.from_at) / h.s)::numeric) - CASE WHEN h.open THEN 0 ELSE 1 END)::integer,
               h.open
        FROM hole h
        WHERE h.until_at > $1 AND h.from_at < $2
        ORDER BY h.from_at, h.key
        $sql$, heard_from, speakers)
    USING since, until;
END
$$;
COMMENT ON FUNCTION meter_gap_between IS 'Stretches without readings that overlap [since, until), by meter, against its own cadence; open ones go on.';

CREATE VIEW meter_gap AS
SELECT * FROM meter_gap_between(now() - interval '24 hours', now());
COMMENT ON VIEW meter_gap IS 'meter_gap_between over the last 24 hours.';

REVOKE EXECUTE ON FUNCTION meter_gap_between FROM PUBLIC;
GRANT EXECUTE ON FUNCTION meter_gap_between TO wattline_ingestor, wattline_gateway, wattline_grafana;
GRANT SELECT ON meter_gap TO wattline_ingestor, wattline_gateway, wattline_grafana;
