SELECT bucket AS time, series_id, bucket_end, value, estimated, flag
FROM consumption_15m($2, $3, $1::integer[])
ORDER BY bucket, series_id
