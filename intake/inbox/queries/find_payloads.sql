SELECT payload.id, payload.source, payload.key, payload.digest
FROM unnest($1::text[], $2::text[]) AS one (source, key)
JOIN payload ON payload.source = one.source AND payload.key = one.key
