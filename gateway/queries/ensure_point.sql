-- $1 device, $2 port, $3 channel, $4 slot. An engineer may have given the name that it would have to another point.
INSERT INTO point (name, device_id, port, channel, slot)
SELECT CASE WHEN EXISTS (SELECT FROM point WHERE name = n.name)
            THEN n.name || '~' || (SELECT coalesce(max(id), 0) + 1 FROM point) ELSE n.name END, d.id, $2, $3, $4
FROM device d
CROSS JOIN LATERAL point_name(d.name, $2, $3, $4) AS n (name)
WHERE d.id = $1
ON CONFLICT (device_id, port, channel, slot) DO UPDATE SET port = excluded.port
RETURNING id
