SELECT 'device' AS kind, given.name
FROM unnest($1::text[]) AS given (name) WHERE NOT EXISTS (SELECT FROM device d WHERE d.name = given.name)
UNION ALL
SELECT 'meter', given.name
FROM unnest($2::text[]) AS given (name) WHERE NOT EXISTS (SELECT FROM meter m WHERE m.key = given.name)
UNION ALL
SELECT 'obis', given.name
FROM unnest($3::text[]) AS given (name) WHERE NOT EXISTS (SELECT FROM series s WHERE s.obis = given.name)
LIMIT 1
