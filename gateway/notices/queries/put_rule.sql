INSERT INTO notice_rule (name, channel, enabled, events, document, author)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (name) DO UPDATE
SET channel = EXCLUDED.channel, enabled = EXCLUDED.enabled, events = EXCLUDED.events, document = EXCLUDED.document,
    author = EXCLUDED.author, changed_at = now(), more = 0
