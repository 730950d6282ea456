UPDATE command SET published_at = now() WHERE id = ANY($1::uuid[]) AND state = 'sent'
