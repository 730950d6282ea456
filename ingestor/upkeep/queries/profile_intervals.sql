-- Bounded: a day of four codes by the minute.
SELECT s.obis, r.time AS at, r.value
FROM series s
JOIN reading r ON r.series_id = s.id AND r.time > $2 AND r.time <= $3
WHERE s.meter_id = $1 AND s.obis ~ '^[0-9]+-[0-9]+:[12]\.(5|29)\.0$'
      AND r.source IN (SELECT id FROM reading_source WHERE source = 'profile')
ORDER BY s.obis, r.time
LIMIT 6000
