-- One row where a meter changed its place within the interval, too.
SELECT bucket AS time, series_id, min(bucket_end) AS bucket_end, sum(value) AS value, bool_or(estimated) AS estimated,
       string_agg(flag, ' ') AS flag
FROM consumption_15m($2, $3, $1::integer[])
GROUP BY bucket, series_id
ORDER BY bucket, series_id
