-- What came of attempt $4 of a message; nothing where another worker has taken it over since.
WITH ended AS (
    UPDATE notice_delivery
    SET state = $2, answer = $3, taken_until = NULL, changed_at = clock_timestamp()
    WHERE id = $1 AND state = 'waiting' AND tries = $4
    RETURNING channel, rule
)
UPDATE notice_channel c
SET failures = CASE WHEN $2 = 'waiting' THEN c.failures + 1 WHEN $2 = 'sent' THEN 0 ELSE c.failures END,
    not_before = CASE WHEN $2 = 'waiting' THEN now() + $5::interval WHEN $2 = 'sent' THEN NULL ELSE c.not_before END,
    answer = $3, answered_at = clock_timestamp()
FROM ended e
WHERE c.name = e.channel
