-- Given up within a day, or late; somebody who replays them, or a day, resolves it.
SELECT channel, late::double precision AS value
FROM (
    SELECT channel, CASE WHEN dead_at > now() - INTERVAL '1 day' THEN dead ELSE 0 END
           + CASE WHEN oldest_at < now() - INTERVAL '30 minutes' THEN waiting ELSE 0 END AS late
    FROM notice_channel_overview
) c
