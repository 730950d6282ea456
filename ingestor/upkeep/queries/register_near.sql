SELECT r.time AS at, r.value
FROM series s
JOIN reading r ON r.series_id = s.id AND r.time BETWEEN $3::timestamptz - $4::interval AND $3::timestamptz + $4::interval
WHERE s.meter_id = $1 AND s.obis = $2
ORDER BY abs(extract(epoch FROM r.time - $3)), r.time
LIMIT 1
