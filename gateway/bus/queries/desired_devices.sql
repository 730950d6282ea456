SELECT d.name FROM desired t JOIN device d ON d.id = t.device_id
