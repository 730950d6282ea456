SELECT EXISTS (SELECT FROM device WHERE name = $1) OR EXISTS (SELECT FROM credential WHERE device = $1) AS known
