SELECT bucket AS "Quarter-hour from", power_kw::double precision AS "Power"
FROM (
{quarter_hours}
) q
ORDER BY 2 DESC, 1
LIMIT 20
