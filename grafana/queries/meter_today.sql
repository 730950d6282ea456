-- All of a meter's tariffs or none: a part of the energy is worse than no number.
SELECT e.meter, CASE WHEN bool_and(c.value IS NOT NULL) THEN sum(c.value) END AS energy_kwh
FROM consumption_1d(date_trunc('day', now(), store_zone()), now(), ARRAY(
         SELECT series_id FROM energy_series WHERE counts AND direction = 'import' AND meter IN (${meter:sqlstring})
     )) c
JOIN energy_series e ON e.series_id = c.series_id
GROUP BY e.meter
