SELECT (SELECT count(*) FROM reading) AS readings, before_compression_total_bytes AS before,
       after_compression_total_bytes AS after
FROM hypertable_compression_stats('reading')
