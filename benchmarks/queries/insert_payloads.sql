-- What the inbox does with a batch, without what it needs of the answer.
INSERT INTO payload (source, key, content_type, body)
SELECT source, key, content_type, body
FROM unnest($1::text[], $2::text[], $3::text[], $4::bytea[]) AS one (source, key, content_type, body)
ON CONFLICT (source, key) DO NOTHING
