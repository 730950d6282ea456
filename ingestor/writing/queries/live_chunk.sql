-- The chunk of the present, where there is one for all series, and late readings are noted by a trigger: on the Apache edition.
SELECT c.chunk_schema AS schema, c.chunk_name AS name,
       (extract(epoch FROM c.range_start - timestamptz '2000-01-01 UTC') * 1000000)::bigint AS from_us,
       (extract(epoch FROM c.range_end - timestamptz '2000-01-01 UTC') * 1000000)::bigint AS until_us
FROM timescaledb_information.chunks c
WHERE c.hypertable_schema = 'public' AND c.hypertable_name = 'reading' AND c.range_start <= now() AND c.range_end > now()
  AND to_regclass('public.rollup_state') IS NOT NULL
  AND 1 = (SELECT count(*) FROM timescaledb_information.dimensions d
           WHERE d.hypertable_schema = 'public' AND d.hypertable_name = 'reading')
