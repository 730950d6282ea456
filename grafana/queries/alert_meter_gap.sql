SELECT device, meter, sum(missing)::double precision AS value
FROM meter_gap
GROUP BY device, meter
