SELECT coalesce(sum(readings), 0)::bigint AS readings, count(*) AS days
FROM rollup_1d
WHERE series_id = ANY ($1::integer[]) AND bucket >= bucket_start('1d', $2) AND bucket < $3
