SELECT d.name FROM software_desired t JOIN device d ON d.id = t.device_id WHERE t.document IS NOT NULL
