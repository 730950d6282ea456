-- How many decimals each value of a meter has, by all of its readings: the newest may end with a zero.
SELECT n.series_id, least(6, max(r.decimals)) AS decimals
FROM series_name n
JOIN rollup_1mo r ON r.series_id = n.series_id
WHERE n.meter = ${meter:sqlstring}
GROUP BY 1
