DELETE FROM command WHERE created_at < now() - $1::integer * interval '1 day' AND state <> 'sent'
