-- Whole days of the store, and quarters before and behind them where days are another zone's: all steps add up alike.
-- Stands inside of the time cancel out: only what is told of its ends, and what was left out, makes the sum a guess.
WITH edge AS MATERIALIZED (
    SELECT d.begins_at, greatest(bucket_start('1d', $3), d.begins_at) AS ends_at
    FROM (SELECT least(bucket_next('1d', $2), $3) AS begins_at) d
), told AS MATERIALIZED (
    SELECT c.* FROM edge e CROSS JOIN LATERAL consumption_1d(e.begins_at, e.ends_at, $1::integer[]) c WHERE e.begins_at < e.ends_at
    UNION ALL
    SELECT c.* FROM edge e CROSS JOIN LATERAL consumption_15m($2, e.begins_at, $1::integer[]) c WHERE $2 < e.begins_at
    UNION ALL
    SELECT c.* FROM edge e CROSS JOIN LATERAL consumption_15m(e.ends_at, $3, $1::integer[]) c WHERE e.ends_at < $3
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
