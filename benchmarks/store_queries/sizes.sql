SELECT (SELECT count(*) FROM plain_reading) AS readings, hypertable_size('reading')::bigint AS bytes,
       pg_total_relation_size('plain_reading') AS plain_bytes,
       (hypertable_size('rolled_15m') + hypertable_size('rolled_1h') + hypertable_size('rolled_1d')
        + hypertable_size('rolled_1mo'))::bigint AS rollup_bytes
