SELECT sum(energy_kwh) AS "Energy today"
FROM (
{meter_today}
) today
