-- From the time that a message's newest sample bears to the answer of the commit that stored it. Two batches may be written
-- at a time, and the log does not say which a message was in: the later of the two counts.
SELECT count(*)::float AS messages_timed,
       1000 * percentile_cont(0.5) WITHIN GROUP (ORDER BY s) AS p50_ms,
       1000 * percentile_cont(0.99) WITHIN GROUP (ORDER BY s) AS p99_ms,
       1000 * max(s) AS max_ms
FROM (
    SELECT extract(epoch FROM b.at - m.newest_at) AS s
    FROM message m
    CROSS JOIN LATERAL (
        SELECT max(at) AS at FROM batch_log
        WHERE at >= m.stored_at AND at < m.stored_at + interval '1 minute'
          AND at - commit_s * interval '1 second' <= m.stored_at
    ) b
    WHERE m.boot = $1 AND ($2::timestamptz IS NULL OR m.newest_at < $2) AND b.at IS NOT NULL
) d
