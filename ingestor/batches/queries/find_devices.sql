SELECT name, id FROM device WHERE name = ANY ($1::text[])
