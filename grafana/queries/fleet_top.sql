SELECT meter AS "Meter", energy_kwh::double precision AS "Energy today"
FROM (
{meter_today}
) today
WHERE energy_kwh IS NOT NULL
ORDER BY 2 DESC
LIMIT 10
