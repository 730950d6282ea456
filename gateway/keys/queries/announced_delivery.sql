UPDATE key_delivery SET announced = CASE WHEN version = $2 THEN version END WHERE device_id = $1
