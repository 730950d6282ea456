-- The first time counts: what is sent again to a device that connected anew was published when it was.
UPDATE command c
SET published_at = coalesce(c.published_at, now()), resend_at = CASE WHEN c.resend_at IS DISTINCT FROM p.resend_at THEN c.resend_at END
FROM unnest($1::uuid[], $2::timestamptz[]) p (id, resend_at)
WHERE c.id = p.id AND c.state = 'sent'
