SELECT coalesce(w.device, 'no device') AS device, w.meter, max(w.state) AS wants, count(*)::double precision AS value
FROM meter_secret_wanted w
GROUP BY w.device, w.meter
