SELECT name, version, document, sha256 FROM spec
WHERE name || '@' || version <> ALL($1::text[])
ORDER BY name, version
