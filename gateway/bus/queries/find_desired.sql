SELECT d.id, t.version, t.hash FROM device d LEFT JOIN desired t ON t.device_id = d.id WHERE d.name = $1
