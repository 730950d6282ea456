UPDATE key_delivery SET content = content || ' ' FROM device d WHERE d.id = device_id AND d.name = $1
