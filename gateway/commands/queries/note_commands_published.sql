-- The first time counts: what is sent again to a device that connected anew was published when it was.
UPDATE command SET published_at = coalesce(published_at, now()), resend_at = NULL WHERE id = ANY($1::uuid[]) AND state = 'sent'
