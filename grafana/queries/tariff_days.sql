-- Energy by billed register and local day, with its price, or that of the total register, where it has one.
SELECT c.bucket, e.obis, concat(e.direction, CASE WHEN e.tariff > 0 THEN ' T' || e.tariff END) AS tariff, c.value,
       coalesce(p.prices ->> e.obis, p.prices ->> CASE e.direction WHEN 'import' THEN '1-0:1.8.0' ELSE '1-0:2.8.0' END)::numeric AS price
FROM consumption_1d(date_trunc('day', $__timeFrom()::timestamptz, store_zone()), $__timeTo(), ARRAY(
         SELECT series_id FROM energy_series WHERE billed AND meter = ${meter:sqlstring}
     )) c
JOIN energy_series e ON e.series_id = c.series_id
CROSS JOIN (SELECT ${prices:sqlstring}::jsonb AS prices) p
