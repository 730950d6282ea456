-- Each series gives at most a page, by its own index; the pages are then merged in the order of time.
SELECT r.time AS at, s.id AS series_id, s.obis, s.unit, r.value, o.source, o.clock
FROM series s
CROSS JOIN LATERAL (
    SELECT time, value, source
    FROM reading
    WHERE reading.series_id = s.id AND time >= $3 AND time < $4
          AND (time > $5 OR time = $5 AND s.id > $6)
    ORDER BY time
    LIMIT $7
) r
JOIN reading_source o ON o.id = r.source
WHERE s.meter_id = $1 AND ($2::text[] IS NULL OR s.obis = ANY($2::text[]))
ORDER BY r.time, s.id
LIMIT $7
