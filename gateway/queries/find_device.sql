SELECT id, registration::text AS registration FROM device WHERE name = $1
