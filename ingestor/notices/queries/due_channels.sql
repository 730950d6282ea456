SELECT DISTINCT c.name
FROM notice_channel c
JOIN notice_delivery d ON d.channel = c.name
WHERE d.state = 'waiting' AND (c.not_before IS NULL OR c.not_before <= now() OR d.rule IS NULL)
      AND NOT EXISTS (SELECT FROM notice_delivery t WHERE t.channel = c.name AND t.state = 'waiting' AND t.taken_until > now())
