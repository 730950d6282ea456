SELECT name, version, document::text AS document, sha256, generic, author, published_at FROM spec
WHERE name || '@' || version <> ALL($1::text[])
ORDER BY name, version
