SELECT d.name AS device, t.version, t.hash, t.announced IS NOT DISTINCT FROM t.version AS announced
FROM desired t JOIN device d ON d.id = t.device_id
WHERE d.name = ANY($1::text[])
