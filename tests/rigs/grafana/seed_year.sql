-- Three meters on two of three devices. LGZ:total uses 1 kW, and 3 kW from 18 to 20 local, and feeds nothing in; KFM:tariffs uses 2 kW
-- from 6 to 22 local on tariff 1 and 1 kW else on tariff 2; O'Neill:1 registered and never spoke.
INSERT INTO device (name, online, status_at, registered_at, last_seen_at, software)
VALUES ('d1', true, now() - INTERVAL '1 day', now(), now(), '0.1.0'),
       ('d2', false, now() - INTERVAL '2 hours', now() - INTERVAL '40 days', now() - INTERVAL '2 hours', '0.1.0'),
       ('d3', true, now(), NULL, NULL, NULL);
-- d2's were under way when it told
UPDATE device SET outbox_at = now(), outbox_waiting = 0, outbox_waiting_for_s = 0, outbox_unconfirmed = v.messages, outbox_unconfirmed_for_s = v.for_s
FROM (VALUES ('d1', 12, 90), ('d2', 3, 2)) v(device, messages, for_s) WHERE name = v.device;

INSERT INTO meter (key, device_id, manufacturer, product, spec, installed_at)
SELECT v.key, d.id, v.manufacturer, v.product, v.spec, now() - INTERVAL '370 days'
FROM (VALUES ('LGZ:total', 'd1', 'LGZ', 'E350', 'lgz-e350@3'), ('KFM:tariffs', 'd1', 'KFM', 'MA304', 'kfm@1'),
             ('O''Neill:1', 'd2', NULL, NULL, NULL)) v(key, device, manufacturer, product, spec)
JOIN device d ON d.name = v.device;

INSERT INTO series (meter_id, obis, unit, kind)
SELECT m.id, v.obis, v.unit, v.kind
FROM (VALUES ('LGZ:total', '1-0:1.8.0', 'kWh', 'register'), ('LGZ:total', '1-0:2.8.0', 'kWh', 'register'),
             ('LGZ:total', '1-0:16.7.0', 'kW', 'instantaneous'), ('LGZ:total', '1-0:32.7.0', 'V', 'instantaneous'),
             ('LGZ:total', '1-0:52.7.0', 'V', 'instantaneous'),
             ('KFM:tariffs', '1-0:1.8.1', 'kWh', 'register'), ('KFM:tariffs', '1-0:1.8.2', 'kWh', 'register'),
             ('KFM:tariffs', '1-0:1.7.0', 'kW', 'instantaneous'), ('KFM:tariffs', '1-0:2.7.0', 'kW', 'instantaneous')
     ) v(meter, obis, unit, kind)
JOIN meter m ON m.key = v.meter;

CREATE TEMP TABLE quarter AS
SELECT at, lag(h) OVER (ORDER BY at) AS hour_before, h AS hour
FROM (
    SELECT at, extract(hour FROM at AT TIME ZONE store_zone())::integer AS h
    FROM generate_series(current_setting('wattline.first')::timestamptz, current_setting('wattline.last')::timestamptz,
                         INTERVAL '15 minutes') AS at
) q;

INSERT INTO reading (time, value, series_id, source)
SELECT q.at, v.value, s.id, 0
FROM (
    SELECT at,
           1000 + sum(CASE WHEN hour_before IS NULL THEN 0 WHEN hour_before BETWEEN 18 AND 19 THEN 0.75 ELSE 0.25 END) OVER w AS total,
           500 + sum(CASE WHEN hour_before BETWEEN 6 AND 21 THEN 0.5 ELSE 0 END) OVER w AS t1,
           300 + sum(CASE WHEN hour_before IS NULL OR hour_before BETWEEN 6 AND 21 THEN 0 ELSE 0.25 END) OVER w AS t2, hour
    FROM quarter
    WINDOW w AS (ORDER BY at)
) q
CROSS JOIN LATERAL (VALUES
    ('LGZ:total', '1-0:1.8.0', q.total), ('LGZ:total', '1-0:2.8.0', 7.0),
    ('KFM:tariffs', '1-0:1.8.1', q.t1), ('KFM:tariffs', '1-0:1.8.2', q.t2)
) v(meter, obis, value)
JOIN meter m ON m.key = v.meter
JOIN series s ON s.meter_id = m.id AND s.obis = v.obis
-- Quarter-hours where a test looks closely, at the changes of the clocks and lately; hours in between, where there is time for it.
WHERE extract(minute FROM q.at) = 0 AND current_setting('wattline.edition') = 'apache' OR q.at > current_setting('wattline.last')::timestamptz - INTERVAL '45 days'
      OR (q.at + INTERVAL '2 days') AT TIME ZONE store_zone() - (q.at - INTERVAL '2 days') AT TIME ZONE store_zone() <> INTERVAL '4 days';

-- The values of now: a day of quarter-hours, which is what these are asked for.
INSERT INTO reading (time, value, series_id, source)
SELECT q.at, v.value, s.id, v.source
FROM quarter q
CROSS JOIN LATERAL (VALUES
    ('LGZ:total', '1-0:16.7.0', CASE WHEN q.hour BETWEEN 18 AND 19 THEN 3.0 ELSE 1.0 END, 0),
    ('LGZ:total', '1-0:32.7.0', 231.0, 0), ('LGZ:total', '1-0:52.7.0', 260.0, 0),
    ('KFM:tariffs', '1-0:1.7.0', CASE WHEN q.hour BETWEEN 6 AND 21 THEN 2.5 ELSE 1.5 END, 4), ('KFM:tariffs', '1-0:2.7.0', 0.5, 4)
) v(meter, obis, value, source)
JOIN meter m ON m.key = v.meter
JOIN series s ON s.meter_id = m.id AND s.obis = v.obis
WHERE q.at > current_setting('wattline.last')::timestamptz - INTERVAL '8 days';

-- The ledger of the last half hour: 180 messages of one boot, of which 7 is lost, 20 came twice and 30 came after 31.
INSERT INTO message (received_at, stored_at, newest_at, seq, device_id, meter_id, rows, kind, boot, resent)
SELECT at, at + INTERVAL '0.5 seconds', at - INTERVAL '3 seconds', CASE n WHEN 30 THEN 31 WHEN 31 THEN 30 ELSE n END,
       (SELECT id FROM device WHERE name = 'd1'), (SELECT id FROM meter WHERE key = 'LGZ:total'), 4, 1, 'boot-1', CASE n WHEN 31 THEN 1 END
FROM generate_series(1, 180) AS n
CROSS JOIN LATERAL (SELECT date_trunc('second', now()) - (181 - n) * INTERVAL '10 seconds' AS at) t
WHERE n <> 7
UNION ALL
SELECT now() - INTERVAL '20 seconds', now() - INTERVAL '19 seconds', now() - INTERVAL '1600 seconds', 20,
       (SELECT id FROM device WHERE name = 'd1'), (SELECT id FROM meter WHERE key = 'LGZ:total'), 4, 1, 'boot-1', 2;

-- The same in two batches of two ingestors, as these enter them.
INSERT INTO ingest_batch (at, commit_s, messages, rows, ingestor)
VALUES (now() - INTERVAL '5 minutes', 0.01, 100, 400, 'a'), (now() - INTERVAL '5 minutes', 0.03, 80, 320, 'b');

INSERT INTO frame (received_at, device_id, topic, kind, reason, data, delivery)
SELECT now() - INTERVAL '5 minutes', (SELECT id FROM device WHERE name = 'd2'), 't', 'frame', 'no_spec', 'x', gen_random_uuid()
FROM generate_series(1, 30);
INSERT INTO frame (received_at, device_id, topic, kind, reason, data, delivery)
VALUES (now() - INTERVAL '7 hours', NULL, 't', 'payload', 'invalid_json', 'y', gen_random_uuid());

INSERT INTO event (received_at, at, device_id, meter_id, source, event, severity, boot, seq, detail)
SELECT now() - INTERVAL '4 minutes', now() - INTERVAL '4 minutes', d.id, NULL, v.source, v.event, v.severity, 'boot-1', 1, '{"by_s": 2}'
FROM (VALUES ('d1', 'device', 'clock_stepped', 'warning'), ('d2', 'device', 'outbox_near_full', 'warning'),
             ('d1', 'ingestor', 'batch_split', 'info')) v(device, source, event, severity)
JOIN device d ON d.name = v.device;

INSERT INTO desired (device_id, version, hash, document, author)
SELECT id, 2, 'h', '{"parameters": {"reading_interval_s": 60, "raw_frames": false}, "meters": {"LGZ:total": {"spec": "lgz-e350@3"}}}', 'anna'
FROM device WHERE name IN ('d1', 'd2');
INSERT INTO desired_history (device_id, version, hash, document, author, published_at)
SELECT d.id, v.version, 'h', v.document::jsonb, v.author, now() - v.ago
FROM device d
CROSS JOIN (VALUES
    (1, '{"parameters": {"reading_interval_s": 10, "raw_frames": false}, "meters": {"LGZ:total": {"spec": "lgz-e350@2"}}}', 'system',
     INTERVAL '2 hours'),
    (2, '{"parameters": {"reading_interval_s": 60, "raw_frames": false}, "meters": {"LGZ:total": {"spec": "lgz-e350@3"}}}', 'anna',
     INTERVAL '10 minutes')) v(version, document, author, ago)
WHERE d.name IN ('d1', 'd2');
INSERT INTO reported (device_id, version, state, reasons, effective, boot, at)
SELECT d.id, v.version, v.state, v.reasons::jsonb, v.effective::jsonb, 'boot-1', now() - INTERVAL '9 minutes'
FROM (VALUES ('d1', 2, 'applied', '[]', '{"reading_interval_s": 60, "raw_frames": false}'),
             ('d2', 1, 'refused', '[{"field": "reading_interval_s", "reason": "too short for this meter"}]',
              '{"reading_interval_s": 10, "raw_frames": false}')) v(device, version, state, reasons, effective)
JOIN device d ON d.name = v.device;

-- KFM:tariffs made room for LGZ:total twenty minutes ago and stands at another point since.
INSERT INTO point (name, device_id, port) SELECT v.name, d.id, v.port
FROM device d CROSS JOIN (VALUES ('kitchen', '/dev/ttyUSB0'), ('cellar', '/dev/ttyUSB1')) v(name, port) WHERE d.name = 'd1';
INSERT INTO meter_stay (point_id, meter_id, installed_at, removed_at)
SELECT p.id, m.id, now() - v.since, now() - v.until
FROM (VALUES ('kitchen', 'KFM:tariffs', INTERVAL '370 days', INTERVAL '20 minutes'), ('kitchen', 'LGZ:total', INTERVAL '20 minutes', NULL),
             ('cellar', 'KFM:tariffs', INTERVAL '20 minutes', NULL)) v(point, meter, since, until)
JOIN point p ON p.name = v.point
JOIN meter m ON m.key = v.meter;
INSERT INTO meter_register (stay_id, meter_id, point_id, kind, obis, unit, value, at)
SELECT s.id, s.meter_id, s.point_id, v.kind, n.obis, n.unit, r.value, r.time
FROM (VALUES ('KFM:tariffs', 'closing'), ('LGZ:total', 'opening')) v(meter, kind)
JOIN meter m ON m.key = v.meter
JOIN meter_stay s ON s.meter_id = m.id
JOIN point p ON p.id = s.point_id AND p.name = 'kitchen'
JOIN series n ON n.meter_id = m.id AND n.kind = 'register'
CROSS JOIN LATERAL (
    SELECT time, value FROM reading
    WHERE series_id = n.id AND CASE v.kind WHEN 'closing' THEN time <= s.removed_at ELSE time >= s.installed_at END
    ORDER BY CASE v.kind WHEN 'closing' THEN s.removed_at - time ELSE time - s.installed_at END
    LIMIT 1
) r;

-- What goes step by step: of each kind one that is open, whenever it began, and one that ended long before any dashboard's range.
INSERT INTO spec (name, version, document, source, sha256) SELECT 'lgz-e350', v, '{}', '', '' FROM generate_series(3, 4) v;
INSERT INTO spec_rollout (name, version, state, audience, author, reason, changed_at, figures)
VALUES ('lgz-e350', 4, 'canary', '50%', 'anna', 'new scaler', now() - INTERVAL '90 days', '{"verdict": "as good",
        "now": {"telegrams": 200, "undecodable_percent": 0.5, "implausible_percent": 0, "silent_percent": 0},
        "before": {"undecodable_percent": 0.75}, "rest": {"undecodable_percent": 1.5, "silent_percent": 0}}'),
       ('lgz-e350', 3, 'withdrawn', '', 'anna', NULL, now() - INTERVAL '200 days', '{}');
INSERT INTO spec_rollout_meter (name, version, meter_id, desired) SELECT 'lgz-e350', 4, id, 1 FROM meter WHERE key = 'LGZ:total';

INSERT INTO parameter_stage (scope, base, document, changes, steps, settle_s, timeout_s, max_failed, state, author, reason, changed_at)
VALUES ('fleet', 1, '{}', '{reading_interval_s,raw_frames}', '{10%,100%}', 60, 600, 10, 'running', 'jan', 'less traffic', now() - INTERVAL '90 days'),
       ('group:west', 1, '{}', '{raw_frames}', '{100%}', 60, 600, 10, 'done', 'jan', NULL, now() - INTERVAL '200 days');
INSERT INTO parameter_stage_device (stage_id, device_id, step, state)
SELECT s.id, d.id, 0, v.state
FROM (VALUES ('d1', 'healthy'), ('d2', 'unreachable'), ('d3', 'failed')) v(device, state)
JOIN device d ON d.name = v.device
JOIN parameter_stage s ON s.scope = 'fleet';

-- d1 has confirmed its release, d2 went back from it, d3 is given one that its updater has not taken yet; one of long ago is over.
INSERT INTO software_desired (device_id, version, document, author)
SELECT d.id, v.version, jsonb_build_object('version', v.version, 'release', '0.3.0', 'source', 'http://releases.test'), 'jan'
FROM (VALUES ('d1', 2), ('d2', 2), ('d3', 3)) v(device, version) JOIN device d ON d.name = v.device;
INSERT INTO software_reported (device_id, version, state, release, running, reasons, octets, seconds, at, since)
SELECT d.id, 2, v.state, '0.3.0', v.running, v.reasons::jsonb, 700000, 12, now(), now() - INTERVAL '3 hours'
FROM (VALUES ('d1', 'confirmed', '0.3.0', '[]'), ('d2', 'rolled_back', '0.2.0', '[{"field": "release", "reason": "no reading came"}]'),
             ('d3', 'confirmed', '0.2.0', '[{"field": "release", "reason": "of before"}]')) v(device, state, running, reasons)
JOIN device d ON d.name = v.device;
INSERT INTO software_history (device_id, version, state, release, running, octets, seconds, at, received_at)
SELECT d.id, 1, 'refused', v.release, '0.2.0', 0, 1, now() - v.ago, now() - v.ago
FROM (VALUES ('d1', '0.2.5', INTERVAL '10 minutes'), ('d3', '0.2.5', INTERVAL '3 days')) v(device, release, ago)
JOIN device d ON d.name = v.device;

INSERT INTO command (id, batch, device_id, command, author, gateway, created_at, expires_at, state, reply, replied_at)
SELECT gen_random_uuid(), gen_random_uuid(), d.id, v.command, 'jan', 'g', now() - v.ago, now() - v.ago + INTERVAL '1 minute', v.state,
       v.reply::jsonb, now() - v.ago + v.took
FROM (VALUES ('d1', 'read_now', INTERVAL '3 minutes', 'replied', '{"result": {}}', INTERVAL '2 seconds'),
             ('d2', 'restart', INTERVAL '4 minutes', 'failed', '{"error": "no supervisor"}', INTERVAL '1 second'),
             ('d1', 'ping', INTERVAL '200 days', 'expired', NULL, NULL)) v(device, command, ago, state, reply, took)
JOIN device d ON d.name = v.device;

INSERT INTO job (state, spec, automatic, author, created_at, started_at, changed_at, total_frames, frames, readings, undecodable)
VALUES ('done', 'kfm@1', false, 'anna', now() - INTERVAL '200 days', NULL, now() - INTERVAL '200 days', 10, 10, 10, 0),
       ('running', 'lgz-e350@4', true, 'system', now() - INTERVAL '90 days', now() - INTERVAL '90 days',
        now() - INTERVAL '90 days' + INTERVAL '10 seconds', 400, 100, 380, 5);
INSERT INTO job_meter (job_id, meter_id) SELECT j.id, m.id FROM job j CROSS JOIN meter m WHERE j.state = 'running' AND m.key = 'LGZ:total';

-- The device that is offline says that it hears a meter of the other's.
INSERT INTO meter_claim (meter_id, device_id, since, claimed_at, seen_at)
SELECT m.id, d.id, now() - INTERVAL '3 hours', now() - INTERVAL '3 hours', now() - INTERVAL '2 hours'
FROM meter m CROSS JOIN device d WHERE m.key = 'KFM:tariffs' AND d.name = 'd2';

-- Logins at the broker of the last hours, one name refused beyond any alert's limit, and what two gateways measured last.
INSERT INTO broker_login (at, name, refused, times)
SELECT date_trunc('minute', now()) - make_interval(mins => 7 * n), v.name, v.refused, v.times
FROM generate_series(1, 150) n, (VALUES ('', false, 12), ('pi-9', true, 30)) v(name, refused, times);
-- ten years on: an age of the seed changes none of it
INSERT INTO gateway_gauge (gateway, gauge, of, value, at)
SELECT v.gateway, v.gauge, v.of, v.value, now() + INTERVAL '10 years'
FROM (VALUES ('g', 'credentials_unmatched', '', 2.0), ('g', 'enrolments_waiting', '', 3),
             ('g', 'certificate_end_seconds', 'root', extract(epoch FROM now() + INTERVAL '9 years')),
             ('g', 'certificate_end_seconds', 'intermediate', extract(epoch FROM now() + INTERVAL '80 days')),
             ('g2', 'certificate_end_seconds', 'https', extract(epoch FROM now() + INTERVAL '30 days'))) v(gateway, gauge, of, value);

-- a payload refers to no source by key: one of a source that would count as a device of the fleet is not needed here
INSERT INTO payload (source, key, received_at, mapped_at, state, version, readings)
SELECT 'acme', n::text, now() - n * INTERVAL '5 minutes' - INTERVAL '2 seconds', now() - n * INTERVAL '5 minutes', 'mapped', 1, 3
FROM generate_series(1, 11) n;
