INSERT INTO meter (key, device_id, manufacturer, serial, protocol, port, facts, installed_at)
SELECT 'LGZ:' || d.id * 10 + m, d.id, 'LGZ', (d.id * 10 + m)::text, 'p1', '/dev/ttyUSB' || m,
       '{"identification": "XXX5LGBBFG1009325446", "@addresses": ["1-0:1.8.1", "1-0:1.7.0"]}', now()
FROM device d, generate_series(1, $1::int) AS m
WHERE d.name LIKE 'restore-%'
