SELECT name AS spec, version, generic, sha256, author, published_at, document #>> '{match,protocol}' AS protocol,
       document #>> '{product,manufacturer}' AS manufacturer, document #>> '{product,name}' AS product,
       document::text AS document
FROM spec
WHERE name = $1 AND version = $2
