SELECT s.name, s.settings, m.document
FROM source s
LEFT JOIN source_mapping m ON m.source = s.name AND m.version = s.version
WHERE s.kind = 'mqtt' AND s.enabled
ORDER BY s.name
