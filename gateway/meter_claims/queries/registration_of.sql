SELECT registration::text AS registration FROM device WHERE id = $1
