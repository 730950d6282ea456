SELECT sum(c.value) FILTER (WHERE c.bucket = d.today)::double precision AS "Today",
       sum(c.value) FILTER (WHERE c.bucket < d.today)::double precision AS "Yesterday"
FROM (SELECT date_trunc('day', now(), store_zone()) AS today,
             date_trunc('day', now() AT TIME ZONE store_zone() - INTERVAL '1 day') AT TIME ZONE store_zone() AS yesterday) d
CROSS JOIN LATERAL consumption_1d(d.yesterday, now(), ARRAY(
    SELECT series_id FROM energy_series WHERE counts AND direction = 'import' AND meter = ${meter:sqlstring}
)) c
