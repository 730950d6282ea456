-- All of a meter's tariffs or none: a part of the energy is worse than no number. Each day is another subject.
SELECT e.meter || ' ' || to_char(now() AT TIME ZONE store_zone(), 'YYYY-MM-DD') AS subject, e.device, e.meter,
       date_trunc('day', now(), store_zone()) AS since, sum(c.value)::float8 AS value, round(sum(c.value)::numeric, 3) || ' kWh today' AS detail
FROM consumption_1d(date_trunc('day', now(), store_zone()), now(), ARRAY(
         SELECT series_id FROM energy_series WHERE counts AND direction = 'import'
     )) c
JOIN energy_series e ON e.series_id = c.series_id
GROUP BY e.device, e.meter
HAVING bool_and(c.value IS NOT NULL) AND sum(c.value) > $1::float8
