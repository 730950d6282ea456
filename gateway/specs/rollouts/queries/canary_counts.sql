-- What came of meters ($1) and of those behind them, each in its own span ($2 to $3), by one spec ($6) or by any.
-- $4 to $5 hold all spans: they say to the planner which chunks to read.
WITH span AS (
    SELECT * FROM unnest($1::int[], $2::timestamptz[], $3::timestamptz[]) AS s (top, since, until)
), family AS (
    SELECT s.top, s.top AS meter_id, s.since, s.until FROM span s
    UNION ALL
    SELECT s.top, m.id, s.since, s.until FROM span s JOIN meter m ON m.parent_id = s.top
), read AS (
    SELECT f.top, count(*) AS messages, extract(epoch FROM max(f.until) - max(e.received_at)) AS quiet_s
    FROM message e
    JOIN family f ON f.meter_id = e.meter_id AND e.received_at >= f.since AND e.received_at < f.until
    WHERE e.kind = 1 AND e.received_at >= $4 AND e.received_at < $5 AND ($6::text IS NULL OR e.spec = $6)
    GROUP BY f.top
), failed AS (
    SELECT s.top, count(*) AS frames
    FROM frame q
    JOIN span s ON s.top = q.meter_id AND q.received_at >= s.since AND q.received_at < s.until
    WHERE q.kind = 'frame' AND q.reason = 'undecodable' AND q.received_at >= $4 AND q.received_at < $5
          AND CASE WHEN q.hints ? 'spec' THEN $6::text IS NULL OR q.hints ->> 'spec' = $6 ELSE q.at >= s.since END
    GROUP BY s.top
), counted AS (
    SELECT s.top, sum((e.detail -> 'telegrams')::bigint)::bigint AS telegrams,
           sum((e.detail -> 'undecodable')::bigint)::bigint AS undecodable,
           sum((e.detail -> 'refused')::bigint)::bigint AS refused
    FROM event e
    JOIN span s ON s.top = e.meter_id AND e.received_at >= s.since AND e.received_at < s.until
    WHERE e.event = 'decode_counts' AND e.source = 'device' AND e.received_at >= $4 AND e.received_at < $5
          AND ($6::text IS NULL OR e.detail ->> 'spec' = $6)
          -- a device may report anything; strict, for else a list counts as what is in it
          AND e.detail @? 'strict $ ? (@.telegrams >= 0 && @.telegrams < 1e9 && @.undecodable >= 0 && @.undecodable < 1e9
                                && @.refused >= 0 && @.refused < 1e9)'
    GROUP BY s.top
)
SELECT s.top, coalesce(r.messages, 0) AS messages, r.quiet_s::float8 AS quiet_s, coalesce(f.frames, 0) AS frames,
       coalesce(c.telegrams, 0) AS counted, coalesce(c.undecodable, 0) AS counted_undecodable,
       coalesce(c.refused, 0) AS counted_refused
FROM span s
LEFT JOIN read r USING (top)
LEFT JOIN failed f USING (top)
LEFT JOIN counted c USING (top)
