UPDATE desired t SET announced = g.version
FROM unnest($1::text[], $2::bigint[]) AS g (name, version)
JOIN device d ON d.name = g.name
WHERE t.device_id = d.id AND t.version = g.version AND t.announced IS DISTINCT FROM g.version
