SELECT EXISTS (SELECT FROM command c JOIN device d ON d.id = c.device_id WHERE c.id = $1 AND d.name = $2)
