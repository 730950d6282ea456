SELECT tariff AS "Tariff", obis AS "Register", sum(value)::double precision AS "Energy", max(price)::double precision AS "Price",
       sum(value * price)::double precision AS "Cost"
FROM (
{tariff_days}
) t
GROUP BY 1, 2
ORDER BY 2
