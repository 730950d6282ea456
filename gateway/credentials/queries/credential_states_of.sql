SELECT identity, kind, revoked_at IS NOT NULL AS revoked FROM credential WHERE device = ANY($1::text[])
