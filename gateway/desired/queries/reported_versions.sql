SELECT d.name, r.version FROM reported r JOIN device d ON d.id = r.device_id WHERE d.name = ANY($1::text[])
