-- Nothing, which leaves the axis to Grafana, unless at most three values lie five times as far from the middle as all others do.
SELECT CASE WHEN max(value) - middle > 5 * reach THEN middle + 1.5 * reach END AS max,
       CASE WHEN middle - min(value) > 5 * reach THEN middle - 1.5 * reach END AS min
FROM number
CROSS JOIN (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY value) AS middle FROM number) m
CROSS JOIN LATERAL (
    SELECT abs(value - middle) AS reach FROM number WHERE value IS NOT NULL ORDER BY 1 DESC OFFSET 3 LIMIT 1
) f
WHERE reach > 0
GROUP BY middle, reach
HAVING count(value) >= 12
