SELECT meter AS subject, device, meter, min(from_at) AS since, sum(missing)::float8 AS value,
       sum(missing) || ' readings are missing' AS detail
FROM meter_gap
GROUP BY device, meter
HAVING min(from_at) <= now() - $1::interval
