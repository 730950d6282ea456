INSERT INTO device (name)
SELECT wanted.name
FROM unnest($1::text[]) AS wanted (name)
WHERE NOT EXISTS (SELECT FROM device WHERE device.name = wanted.name)
ORDER BY wanted.name
LIMIT greatest(0, $2 - (SELECT count(*) FROM device))
ON CONFLICT DO NOTHING
