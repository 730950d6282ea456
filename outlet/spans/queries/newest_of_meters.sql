-- a descent of the unique index for each series, in the chunks since then only; of each meter the newest one first
SELECT r.series_id, m.key AS meter, s.obis, s.unit, r.at, r.value
FROM meter m
JOIN series s ON s.meter_id = m.id
CROSS JOIN LATERAL (
    SELECT series_id, time AS at, value FROM reading WHERE series_id = s.id AND time > $1 ORDER BY time DESC LIMIT 1
) r
ORDER BY row_number() OVER (PARTITION BY m.id ORDER BY r.at DESC), r.at DESC
LIMIT $2
