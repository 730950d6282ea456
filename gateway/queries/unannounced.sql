SELECT d.name FROM desired t JOIN device d ON d.id = t.device_id
WHERE t.announced IS DISTINCT FROM t.version AND t.published_at < now() - make_interval(secs => $1)
ORDER BY t.published_at
LIMIT 10000
