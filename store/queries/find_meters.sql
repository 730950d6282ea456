SELECT id, key FROM meter WHERE key = ANY ($1::text[])
