SELECT s.id AS series_id, s.meter_id, s.obis, s.unit, e.direction, coalesce(e.counts, false) AS counts, coalesce(e.billed, false) AS billed
FROM series s
LEFT JOIN energy_series e ON e.series_id = s.id
WHERE s.meter_id = ANY ($1::integer[]) AND s.kind = 'register'
ORDER BY s.meter_id, s.obis, s.unit
