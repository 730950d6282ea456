SELECT coalesce(sum(waiting), 0)::bigint AS waiting, coalesce(sum(dead), 0)::bigint AS dead,
       coalesce(extract(epoch FROM now() - min(oldest_at)), 0)::float8 AS oldest_s
FROM notice_channel_overview
