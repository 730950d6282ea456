-- Import, or import less export where the meter tells that alone.
SELECT DISTINCT ON (s.meter_id) s.meter_id, s.obis, r.max_value AS value, r.bucket AS at
FROM series s
JOIN rollup_1h r ON r.series_id = s.id
WHERE s.meter_id = ANY ($1::integer[]) AND s.unit = 'kW' AND s.obis ~ '^1-[01]:(1|15|16)\.7\.0$' AND r.bucket >= $2 AND r.bucket < $3
ORDER BY s.meter_id, r.max_value DESC, r.bucket
