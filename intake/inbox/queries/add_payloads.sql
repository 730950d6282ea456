-- a repeat gives no row here: what stands there already is asked for apart, which is rare
INSERT INTO payload (source, key, content_type, topic, body, came_at, digest)
SELECT source, key, content_type, topic, body, came_at, sha256(body)
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bytea[], $6::timestamptz[])
    AS one (source, key, content_type, topic, body, came_at)
ON CONFLICT (source, key) DO NOTHING
RETURNING id, source, key, digest
