SELECT bucket AS "time", tariff AS metric, sum(value * price)::double precision AS value
FROM (
{tariff_days}
) t
WHERE price IS NOT NULL
GROUP BY 1, 2
ORDER BY 1, 2
