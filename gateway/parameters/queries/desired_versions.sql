SELECT d.name AS device, t.version FROM desired t JOIN device d ON d.id = t.device_id WHERE d.name = ANY($1::text[])
