SELECT sum(power_kw) AS "Power now"
FROM (
{meter_now}
) now
