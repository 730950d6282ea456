-- Where each meter's readings are missing, against how often it usually reads.

CREATE FUNCTION meter_gap_between(since timestamptz, until timestamptz)
RETURNS TABLE (
    device text, meter text, meter_id integer, from_at timestamptz, until_at timestamptz, cadence_s double precision,
    missing integer, open boolean
)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    -- as a text, so that it is planned for these times
    RETURN QUERY EXECUTE $sql$
        WITH busiest AS MATERIALIZED (
            -- the series that a meter sends most often speaks for it
            SELECT DISTINCT ON (s.meter_id) s.meter_id, s.id AS series_id
            FROM series s
            JOIN meter m ON m.id = s.meter_id
            LEFT JOIN (
                SELECT series_id, sum(readings) AS readings FROM rollup_1h
                WHERE bucket >= $1 - interval '1 hour' AND bucket < $2 GROUP BY 1
            ) c ON c.series_id = s.id
            WHERE m.removed_at IS NULL OR m.removed_at > $1
            ORDER BY s.meter_id, c.readings DESC NULLS LAST, s.id
        ), part AS MATERIALIZED (
            SELECT b.meter_id, r.series_id, r.bucket, r.first_at, r.last_at, r.readings,
                   lag(r.last_at) OVER (PARTITION BY r.series_id ORDER BY r.bucket) AS before_at
            FROM rollup_15m r JOIN busiest b ON b.series_id = r.series_id
            WHERE r.bucket >= $1 - interval '2 hours' AND r.bucket < $2
        ), heard AS MATERIALIZED (
            SELECT meter_id, min(first_at) AS first_at, max(last_at) AS last_at,
                   count(*) FILTER (WHERE readings > 1 OR before_at IS NOT NULL) AS steps,
                   percentile_cont(0.5) WITHIN GROUP (ORDER BY CASE
                       WHEN readings > 1 THEN extract(epoch FROM last_at - first_at) / (readings - 1)
                       ELSE extract(epoch FROM first_at - before_at) END) AS step_s
            FROM part GROUP BY meter_id
        ), edge AS MATERIALIZED (
            SELECT b.meter_id, e.at
            FROM busiest b
            LEFT JOIN heard h ON h.meter_id = b.meter_id
            CROSS JOIN LATERAL reading_before(b.series_id, bucket_start('15m', $1 - interval '2 hours')) e
            WHERE h.first_at IS NULL OR h.first_at >= $1
        ), cadence AS MATERIALIZED (
            SELECT b.meter_id, b.series_id, coalesce(
                       CASE WHEN h.steps >= 3 THEN h.step_s END,
                       (SELECT extract(epoch FROM d.last_at - d.first_at) / nullif(d.readings - 1, 0)
                        FROM rollup_1d d WHERE d.series_id = b.series_id AND h.steps IS DISTINCT FROM 3 AND d.bucket < $2
                        ORDER BY d.bucket DESC LIMIT 1),
                       (t.effective ->> 'reading_interval_s')::double precision, h.step_s)::double precision AS s,
                   greatest(h.last_at, e.at) AS last_at, e.at AS edge_at, h.first_at,
                   m.key, d.name, m.removed_at
            FROM busiest b
            JOIN meter m ON m.id = b.meter_id
            LEFT JOIN device d ON d.id = m.device_id
            LEFT JOIN reported t ON t.device_id = m.device_id
            LEFT JOIN heard h ON h.meter_id = b.meter_id
            LEFT JOIN edge e ON e.meter_id = b.meter_id
        ), hole AS (
            SELECT p.meter_id, coalesce(p.before_at, c.edge_at) AS from_at, p.first_at AS until_at, false AS open
            FROM part p JOIN cadence c ON c.meter_id = p.meter_id
            WHERE p.before_at IS NOT NULL OR p.first_at = c.first_at
            UNION ALL
            -- within a quarter-hour only the readings tell, and few quarter-hours have too few of them
            SELECT p.meter_id, r.before_at, r.time, false
            FROM part p
            JOIN cadence c ON c.meter_id = p.meter_id
            CROSS JOIN LATERAL (
                SELECT time, lag(time) OVER (ORDER BY time) AS before_at
                FROM reading WHERE series_id = p.series_id AND time BETWEEN p.first_at AND p.last_at
            ) r
            WHERE extract(epoch FROM p.last_at - p.first_at) > c.s * (p.readings - 0.5)
            UNION ALL
            SELECT c.meter_id, c.last_at, least($2, now(), c.removed_at), $2 >= now() AND c.removed_at IS NULL
            FROM cadence c
            WHERE extract(epoch FROM least($2, now(), c.removed_at) - c.last_at) > c.s + 60
        )
        SELECT c.name, c.key, c.meter_id, h.from_at, h.until_at, c.s,
               -- an open gap has no reading at its end
               (round((extract(epoch FROM h.until_at - h.from_at) / c.s)::numeric) - CASE WHEN h.open THEN 0 ELSE 1 END)::integer,
               h.open
        FROM hole h JOIN cadence c ON c.meter_id = h.meter_id
        WHERE h.until_at > $1 AND extract(epoch FROM h.until_at - h.from_at) > 1.5 * c.s
        ORDER BY h.from_at, c.key
        $sql$
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
