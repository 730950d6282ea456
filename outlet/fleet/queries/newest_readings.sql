-- a descent of the unique index for each series, in the chunks since then only
SELECT s.id AS series_id, s.meter_id, s.obis, s.unit, s.kind, r.at, r.value, r.before_at
FROM series s
CROSS JOIN LATERAL (
    SELECT max(x.time) AS at, (array_agg(x.value ORDER BY x.time DESC))[1] AS value,
           CASE WHEN count(*) > 1 THEN min(x.time) END AS before_at
    FROM (
        SELECT time, value FROM reading WHERE series_id = s.id AND time > $2 ORDER BY time DESC LIMIT 2
    ) x
) r
WHERE s.meter_id = ANY ($1) AND r.at IS NOT NULL
ORDER BY s.id
