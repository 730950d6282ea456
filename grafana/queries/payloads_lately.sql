    SELECT mapped_at, received_at, readings
    FROM payload_log
    WHERE state = 'mapped' AND $__timeFilter(mapped_at) AND mapped_at < date_trunc('minute', now())
    ORDER BY mapped_at DESC
    LIMIT 100000
