SELECT o.channel AS name, o.kind, o.shown, c.author, c.created_at, c.changed_at, o.failures, o.not_before, o.answer, o.answered_at,
       o.waiting, o.dead
FROM notice_channel_overview o
JOIN notice_channel c ON c.name = o.channel
WHERE $1::text IS NULL OR o.channel = $1
ORDER BY o.channel
