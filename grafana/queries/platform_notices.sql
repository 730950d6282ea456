SELECT coalesce(n.channel, 'no channel of notifications') AS "Channel", n.shown AS "Leads to", n.waiting AS "Waiting", n.dead AS "Dead",
       n.failures AS "Failures", n.sent_at AS "Last sent", n.answer AS "Answer"
FROM (VALUES (true)) f
LEFT JOIN notice_channel_overview n ON true
ORDER BY n.dead DESC, n.waiting DESC, n.channel
LIMIT 100
