SELECT name, version, document::text AS document, sha256, generic, author, published_at FROM spec ORDER BY name, version
