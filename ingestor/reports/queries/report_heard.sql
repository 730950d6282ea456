-- Whether a meter had given readings by then, when its first came, and in how many intervals there are any.
SELECT s.meter_id, min(r.first_at) AS first_at, count(DISTINCT r.bucket) AS hours,
       EXISTS (
           SELECT FROM series o JOIN rollup_1mo b ON b.series_id = o.id
           WHERE o.meter_id = s.meter_id AND b.bucket <= bucket_start('1mo', $2) AND b.first_at < $2) AS before
FROM series s
LEFT JOIN rollup_1h r ON r.series_id = s.id AND r.bucket >= $2 AND r.bucket < $3
WHERE s.meter_id = ANY ($1::integer[])
GROUP BY s.meter_id
