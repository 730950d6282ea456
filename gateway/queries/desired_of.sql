SELECT d.name, t.version, t.hash, t.document::text AS document
FROM desired t JOIN device d ON d.id = t.device_id
WHERE d.name = ANY($1::text[])
