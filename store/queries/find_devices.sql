SELECT id, name FROM device WHERE name = ANY ($1::text[])
