SELECT d.name, t.version, t.hash FROM desired t JOIN device d ON d.id = t.device_id WHERE d.name = ANY($1::text[])
