-- $1 device; $2 ports, $3 channels and $4 slots beside one another, each once. An engineer may have given the name that a
-- point would have to another one.
INSERT INTO point (name, device_id, port, channel, slot)
SELECT CASE WHEN EXISTS (SELECT FROM point WHERE name = n.name)
            THEN n.name || '~' || (SELECT coalesce(max(id), 0) FROM point) + w.place ELSE n.name END,
       d.id, w.port, w.channel, w.slot
FROM device d
CROSS JOIN unnest($2::text[], $3::text[], $4::integer[]) WITH ORDINALITY AS w (port, channel, slot, place)
CROSS JOIN LATERAL point_name(d.name, w.port, w.channel, w.slot) AS n (name)
WHERE d.id = $1
ORDER BY w.place
ON CONFLICT (device_id, port, channel, slot) DO UPDATE SET port = excluded.port
RETURNING id, port, channel, slot
