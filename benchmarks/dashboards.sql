INSERT INTO device (name, online, status_at, registered_at, last_seen_at, software)
SELECT 'bench-' || n, n % 50 <> 0, now() - INTERVAL '1 hour', now() - INTERVAL '1 day', now(), '0.1.0'
FROM generate_series(1, current_setting('wattline.meters')::integer) AS n;
INSERT INTO meter (key, device_id, manufacturer, product, spec, installed_at)
SELECT 'LGZ:' || id, id, 'LGZ', 'E350', 'lgz-e350@3', now() - INTERVAL '1 day' FROM device;
INSERT INTO series (meter_id, obis, unit, kind)
SELECT m.id, v.obis, v.unit, v.kind
FROM meter m
CROSS JOIN (VALUES ('1-0:1.8.0', 'kWh', 'register'), ('1-0:2.8.0', 'kWh', 'register'), ('1-0:16.7.0', 'kW', 'instantaneous'),
                   ('1-0:32.7.0', 'V', 'instantaneous')) v(obis, unit, kind)
ORDER BY m.id, v.obis;

INSERT INTO reading (time, value, series_id, source)
SELECT t.at, CASE s.obis WHEN '1-0:1.8.0' THEN 1000 + t.n / 60.0 WHEN '1-0:2.8.0' THEN 5 WHEN '1-0:16.7.0' THEN 1 ELSE 230 END, s.id, 0
FROM (SELECT n, date_trunc('minute', now()) - (current_setting('wattline.hours')::integer * 60 - n) * INTERVAL '1 minute' AS at
      FROM generate_series(0, current_setting('wattline.hours')::integer * 60) AS n) t
CROSS JOIN series s;

-- The ledger over the day that its dashboards show.
INSERT INTO message (received_at, stored_at, newest_at, seq, device_id, meter_id, rows, kind, boot)
SELECT t.at, t.at + INTERVAL '0.3 seconds', t.at - INTERVAL '5 seconds', t.n, m.device_id, m.id, 4, 1, 'boot-' || m.id
FROM (SELECT n, now() - (current_setting('wattline.hours')::integer * 360 + 1 - n) * INTERVAL '10 seconds' AS at
      FROM generate_series(1, current_setting('wattline.hours')::integer * 360) AS n) t
CROSS JOIN meter m;

INSERT INTO ingest_batch (at, commit_s, messages, rows, ingestor)
SELECT t.at, 0.02, 100, 400, 'ingestor'
FROM generate_series(now() - current_setting('wattline.hours')::integer * INTERVAL '1 hour', now(), INTERVAL '1 second') AS t (at);

INSERT INTO frame (received_at, device_id, meter_id, topic, kind, reason, data, delivery)
SELECT now() - n * INTERVAL '1 minute', d.id, m.id, 't', 'frame', 'no_spec', 'x', gen_random_uuid()
FROM generate_series(1, 1440) AS n
JOIN device d ON d.id = n % 20 + 1
JOIN meter m ON m.device_id = d.id;
INSERT INTO event (received_at, at, device_id, source, event, severity)
SELECT now() - n * INTERVAL '10 minutes', now() - n * INTERVAL '10 minutes', d.id, 'device', 'clock_stepped', 'warning'
FROM generate_series(1, 144) AS n CROSS JOIN device d WHERE d.id % 10 = 0;

INSERT INTO desired (device_id, version, hash, document, author)
SELECT id, 2, 'h', '{"parameters": {"reading_interval_s": 60, "raw_frames": false}, "meters": {}}', 'anna' FROM device;
INSERT INTO desired_history (device_id, version, hash, document, author, published_at)
SELECT id, v, 'h', jsonb_build_object('parameters', jsonb_build_object('reading_interval_s', v * 30)), 'anna', now() - v * INTERVAL '1 hour'
FROM device CROSS JOIN generate_series(1, 2) AS v;
INSERT INTO reported (device_id, version, state, effective, boot, at)
SELECT id, 2, 'applied', '{"reading_interval_s": 60, "raw_frames": false}', 'boot', now() FROM device;
