SELECT d.name AS device, t.document AS software, t.announced IS NOT DISTINCT FROM t.version AS announced
FROM software_desired t JOIN device d ON d.id = t.device_id
WHERE d.name = ANY($1::text[])
