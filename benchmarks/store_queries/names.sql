INSERT INTO device (name) SELECT 'bench-' || n FROM generate_series(1, :meters) n ORDER BY n;
INSERT INTO meter (key, device_id, installed_at) SELECT 'BEN:' || id, id, '2025-01-01Z' FROM device ORDER BY id;
INSERT INTO series (meter_id, obis, unit, kind) SELECT id, '1-0:1.8.0', 'kWh', 'register' FROM meter ORDER BY id
