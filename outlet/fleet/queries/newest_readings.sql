-- a descent of the unique index for each series, in the chunks since then only; of registers the last eight readings,
-- by which it is told whether a fall is sure
SELECT s.id AS series_id, s.meter_id, s.obis, s.unit, s.kind, r.times[1] AS at, r.newest[1] AS value, r.times[2] AS before_at,
       r.recent
FROM series s
CROSS JOIN LATERAL (
    SELECT array_agg(x.time ORDER BY x.time DESC) AS times, array_agg(x.value ORDER BY x.time DESC) AS newest,
           array_agg(x.value ORDER BY x.time) AS recent
    FROM (
        SELECT time, value FROM reading WHERE series_id = s.id AND time > $2
        ORDER BY time DESC
        LIMIT CASE WHEN s.kind IN ('register', 'counter') THEN 8 ELSE 2 END
    ) x
) r
WHERE s.meter_id = ANY ($1) AND r.times IS NOT NULL
ORDER BY s.id
