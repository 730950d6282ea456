-- what was stored before anybody noted it, day by day, a hundred series at a time
WITH due AS (
    UPDATE outlet_cursor SET seeded = true
    WHERE name = $1 AND NOT seeded AND made_in < pg_snapshot_xmin(pg_current_snapshot())
    RETURNING since
)
INSERT INTO stored_span (from_at, until_at, series)
SELECT greatest(d.day, due.since), d.day + interval '1 day' - interval '1 microsecond', s.series
FROM due
CROSS JOIN LATERAL generate_series(date_trunc('day', due.since), now() + interval '1 day', interval '1 day') d (day)
CROSS JOIN (SELECT array_agg(id ORDER BY id) AS series FROM series GROUP BY id / 100) s
ORDER BY d.day
