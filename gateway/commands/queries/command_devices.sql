SELECT DISTINCT d.name FROM command c JOIN device d ON d.id = c.device_id WHERE c.id = $1 OR c.batch = $2
