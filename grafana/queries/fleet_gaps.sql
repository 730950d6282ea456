SELECT meter AS "Meter", device AS "Device", sum(missing) AS "Missing", count(*) AS "Gaps", bool_or(open)::integer AS "Open"
FROM meter_gap
WHERE meter IN (
{chosen_meters}
)
GROUP BY 1, 2
ORDER BY 3 DESC
LIMIT 20
