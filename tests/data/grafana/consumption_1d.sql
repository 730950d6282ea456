-- TEMPORARY: a simple version of what branch `store` makes, with the same names and columns. It goes when that is merged.

DO $do$
DECLARE step text; width text;
BEGIN
    FOREACH step IN ARRAY ARRAY['15m', '1h', '1d', '1mo'] LOOP
        width := CASE step WHEN '15m' THEN '15 minutes' WHEN '1h' THEN '1 hour' WHEN '1d' THEN '1 day' ELSE '1 month' END;
        EXECUTE format($f$
            CREATE FUNCTION consumption_%1$s(since timestamptz, until timestamptz, series_ids integer[] DEFAULT NULL)
            RETURNS TABLE (bucket timestamptz, bucket_end timestamptz, series_id integer, value numeric, estimated boolean, flag text)
            LANGUAGE sql STABLE SECURITY DEFINER AS $b$
                SELECT r.bucket, date_add(r.bucket, %2$L, store_zone()), r.series_id,
                       round((coalesce(r.next_value, r.last_value) - r.first_value)::numeric, 3), false, NULL::text
                FROM (SELECT u.*, lead(u.first_value) OVER (PARTITION BY u.series_id ORDER BY u.bucket) AS next_value
                      FROM rollup_%1$s u
                      WHERE (series_ids IS NULL OR u.series_id = ANY (series_ids))
                            AND u.bucket >= since AND u.bucket < date_add(until, %2$L, store_zone())) r
                WHERE r.bucket < until
            $b$ $f$, step, width);
    END LOOP;
END $do$;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO wattline_grafana;
