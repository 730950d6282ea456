-- a page, by the unique index: behind a series and a time
SELECT r.series_id, m.key AS meter, s.obis, s.unit, r.time AS at, r.value
FROM reading r
JOIN series s ON s.id = r.series_id
JOIN meter m ON m.id = s.meter_id
WHERE r.series_id = ANY ($1) AND r.time BETWEEN $2 AND $3 AND (r.series_id, r.time) > ($4, $5)
ORDER BY r.series_id, r.time
LIMIT $6
