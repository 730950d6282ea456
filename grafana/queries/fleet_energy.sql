SELECT sum(energy_kwh) AS "Energy today", count(*) FILTER (WHERE energy_kwh IS NULL) AS "Meters without a sound register"
FROM (
{meter_today}
) today
