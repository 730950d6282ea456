-- Stands inside of the time cancel out: only what is told of its ends, and what was left out, makes the sum a guess.
WITH told AS MATERIALIZED (
    SELECT * FROM consumption_1d($2, $3, $1::integer[])
), known AS (
    SELECT series_id, min(bucket) AS from_at, max(bucket_end) AS until_at FROM told WHERE value IS NOT NULL GROUP BY series_id
)
SELECT t.series_id, sum(t.value) AS value, k.from_at, k.until_at,
       coalesce(bool_or(t.estimated) FILTER (
           WHERE t.bucket = k.from_at OR t.bucket_end = k.until_at OR t.flag ~ 'reset|jump'), false) AS estimated,
       bool_or(t.value IS NULL) OR coalesce(bool_or(t.flag ~ 'partial'), false) AS partial,
       coalesce((
           SELECT string_agg(DISTINCT f.word, ' ' ORDER BY f.word)
           FROM told o CROSS JOIN LATERAL regexp_split_to_table(o.flag, ' ') f (word) WHERE o.series_id = t.series_id), '') AS flags
FROM told t
JOIN known k ON k.series_id = t.series_id
GROUP BY t.series_id, k.from_at, k.until_at
