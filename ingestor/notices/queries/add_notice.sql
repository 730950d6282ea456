-- One that finds $8 of its channel waiting is dead at once, for a person to replay.
INSERT INTO notice_delivery (id, rule, channel, event, title, text, tries_left, state, answer)
SELECT $1, $2, $3, $4, $5, $6, $7, CASE WHEN w.waiting < $8 THEN 'waiting' ELSE 'dead' END,
       CASE WHEN w.waiting < $8 THEN NULL ELSE 'too many waited for this channel' END
FROM (SELECT count(*) AS waiting FROM notice_delivery WHERE channel = $3 AND state = 'waiting') w
