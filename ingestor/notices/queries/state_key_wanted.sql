SELECT meter AS subject, min(device) AS device, meter, min(coalesce(told_at, now())) AS since, NULL::float8 AS value,
       max(state) AS detail
FROM meter_secret_wanted
GROUP BY meter
HAVING min(coalesce(told_at, now())) <= now() - $1::interval
