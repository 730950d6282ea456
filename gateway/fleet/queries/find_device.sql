SELECT id, registration IS NOT NULL AS registered FROM device WHERE name = $1
