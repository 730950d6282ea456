SELECT name AS spec, version, generic, sha256, author, published_at, document #>> '{match,protocol}' AS protocol,
       document #>> '{product,manufacturer}' AS manufacturer, document #>> '{product,name}' AS product
FROM spec
WHERE (name, version) > ($1, $2)
ORDER BY name, version
LIMIT $3
