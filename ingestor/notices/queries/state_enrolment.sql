SELECT device AS subject, device, NULL::text AS meter, asked_at AS since, NULL::float8 AS value,
       concat_ws(', ', reason, hardware) AS detail
FROM waiting_device
WHERE asked_at <= now() - $1::interval
