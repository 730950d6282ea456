-- The next message of channel $1, one at a time, so that they come in their order; tests by hand first.
WITH held AS (
    SELECT name FROM notice_channel WHERE name = $1 FOR NO KEY UPDATE SKIP LOCKED
), next AS (
    SELECT d.id
    FROM notice_delivery d
    JOIN held h ON h.name = d.channel
    JOIN notice_channel c ON c.name = d.channel
    WHERE d.state = 'waiting' AND (c.not_before IS NULL OR c.not_before <= now() OR d.rule IS NULL)
          AND NOT EXISTS (SELECT FROM notice_delivery t WHERE t.channel = d.channel AND t.state = 'waiting' AND t.taken_until > now())
    ORDER BY d.rule IS NOT NULL, d.made_at, d.id
    LIMIT 1
)
UPDATE notice_delivery d
SET taken_until = now() + make_interval(secs => $2), tries = d.tries + 1, tries_left = d.tries_left - 1
FROM next n, notice_channel c
WHERE d.id = n.id AND c.name = d.channel AND d.state = 'waiting' AND (d.taken_until IS NULL OR d.taken_until <= now())
RETURNING d.id, d.rule, d.channel, d.made_at, d.event, d.title, d.text, d.tries, d.tries_left, c.failures, c.master, c.sealed
