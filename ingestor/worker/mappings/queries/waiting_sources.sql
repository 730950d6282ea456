-- Sources of which a payload waits, with the version of the mapping in force.
SELECT s.name, s.device_id, s.version
FROM source s
WHERE s.enabled AND EXISTS (SELECT FROM payload p WHERE p.source = s.name AND p.state = 'waiting')
ORDER BY s.name
