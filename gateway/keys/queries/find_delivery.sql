SELECT v.version, v.payload FROM key_delivery v JOIN device d ON d.id = v.device_id WHERE d.name = $1
