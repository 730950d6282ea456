DELETE FROM notice_delivery
WHERE (state = 'sent' AND changed_at < now() - INTERVAL '7 days') OR (state = 'dead' AND changed_at < now() - INTERVAL '30 days')
