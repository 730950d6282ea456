SELECT name FROM device WHERE name = ANY($1)
