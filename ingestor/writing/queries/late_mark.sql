-- Readings before it are late, in microseconds since 2000.
SELECT (extract(epoch FROM greatest(noted_until, timestamptz '2000-01-01 UTC') - timestamptz '2000-01-01 UTC') * 1000000)::bigint
FROM rollup_state
