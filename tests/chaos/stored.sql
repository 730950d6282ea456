SELECT m.key AS meter, s.obis, extract(epoch FROM r.time)::float8 AS time_s, r.value
FROM reading r JOIN series s ON s.id = r.series_id JOIN meter m ON m.id = s.meter_id
WHERE s.obis = ANY ($1)
