-- What has waited so long behind a channel that fails; a person may replay it.
UPDATE notice_delivery d SET state = 'dead', answer = coalesce(d.answer, c.answer), changed_at = clock_timestamp()
FROM notice_channel c
WHERE c.name = d.channel AND c.failures > 0 AND d.state = 'waiting' AND d.made_at < now() - INTERVAL '2 days'
      AND (d.taken_until IS NULL OR d.taken_until < now())
