-- A page: what comes after the last row of the page before, ($4, $5).
SELECT bucket AS time, series_id, first_at, first_value, last_at, last_value, min_value, max_value, mean_value, readings
FROM rollup_15m
WHERE series_id = ANY ($1::integer[]) AND bucket >= $2 AND bucket < $3 AND (bucket, series_id) > ($4, $5)
ORDER BY bucket, series_id
LIMIT $6
