-- The total register where the meter has one, else the sum of its tariffs, of which none may be missing.
SELECT meter,
       CASE WHEN bool_or(obis = '1-0:1.8.0') THEN max(energy_kwh) FILTER (WHERE obis = '1-0:1.8.0')
            WHEN bool_and(energy_kwh IS NOT NULL) THEN sum(energy_kwh) END AS energy_kwh
FROM (
{register_today}
) tariff
GROUP BY meter
