-- TEMPORARY: a simple version of what branch `store` makes, with the same names and columns. It goes when that is merged.

CREATE FUNCTION meter_gap_between(since timestamptz, until timestamptz)
RETURNS TABLE (device text, meter text, meter_id integer, from_at timestamptz, until_at timestamptz, cadence_s double precision,
               missing integer, open boolean)
LANGUAGE sql STABLE SECURITY DEFINER AS $$
    SELECT n.device, n.meter, n.meter_id, r.from_at, r.until_at, 900.0::double precision,
           (extract(epoch FROM r.until_at - r.from_at) / 900)::integer - 1, false
    FROM (SELECT series_id, time AS from_at, lead(time) OVER (PARTITION BY series_id ORDER BY time) AS until_at
          FROM reading WHERE time >= since AND time < until) r
    JOIN series_name n ON n.series_id = r.series_id AND n.obis IN ('1-0:1.8.0', '1-0:1.8.1')
    WHERE r.until_at - r.from_at > INTERVAL '16 minutes'
$$;
CREATE VIEW meter_gap AS SELECT * FROM meter_gap_between(now() - INTERVAL '1 day', now());
GRANT SELECT ON meter_gap TO wattline_grafana;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO wattline_grafana;
