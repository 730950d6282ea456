-- What people and Grafana read: names in place of numbers.

CREATE VIEW named_reading AS
SELECT r.time, d.name AS device, m.key AS meter, s.obis, s.unit, s.kind, r.value, o.source, o.clock,
       r.series_id, s.meter_id, m.device_id
FROM reading r
JOIN series s ON s.id = r.series_id
JOIN meter m ON m.id = s.meter_id
LEFT JOIN device d ON d.id = m.device_id
JOIN reading_source o ON o.id = r.source;
COMMENT ON VIEW named_reading IS 'Readings with device, meter, OBIS code and unit. Always give a range of time.';

-- A descent of the unique index for each series, newest chunk first, instead of a sort of the readings.
CREATE VIEW latest_reading AS
SELECT d.name AS device, m.key AS meter, s.obis, s.unit, s.kind, r.time, r.value, o.source, o.clock,
       s.id AS series_id, s.meter_id, m.device_id
FROM series s
JOIN meter m ON m.id = s.meter_id
LEFT JOIN device d ON d.id = m.device_id
CROSS JOIN LATERAL (
    SELECT time, value, reading.source AS source_id
    FROM reading
    WHERE reading.series_id = s.id
    ORDER BY time DESC
    LIMIT 1
) r
JOIN reading_source o ON o.id = r.source_id;
COMMENT ON VIEW latest_reading IS 'The newest reading of each series.';

CREATE VIEW meter_overview AS
SELECT m.id AS meter_id, m.key AS meter, d.name AS device, p.key AS parent, m.manufacturer, m.product, m.serial,
       m.firmware, m.protocol, m.port, m.spec, m.installed_at, m.removed_at, d.online, d.last_seen_at,
       l.last_reading_at, l.series, l.import_kwh, l.export_kwh,
       coalesce(l.net_kw, l.import_kw - coalesce(l.export_kw, 0)) AS power_kw
FROM meter m
LEFT JOIN device d ON d.id = m.device_id
LEFT JOIN meter p ON p.id = m.parent_id
LEFT JOIN (
    SELECT meter_id, max(time) AS last_reading_at, count(*) AS series,
           max(value) FILTER (WHERE obis = '1-0:1.8.0' AND unit = 'kWh') AS import_kwh,
           max(value) FILTER (WHERE obis = '1-0:2.8.0' AND unit = 'kWh') AS export_kwh,
           max(value) FILTER (WHERE obis = '1-0:16.7.0' AND unit = 'kW') AS net_kw,
           max(value) FILTER (WHERE obis = '1-0:1.7.0' AND unit = 'kW') AS import_kw,
           max(value) FILTER (WHERE obis = '1-0:2.7.0' AND unit = 'kW') AS export_kw
    FROM latest_reading
    GROUP BY meter_id
) l ON l.meter_id = m.id;
COMMENT ON VIEW meter_overview IS 'Each meter with its device, product, newest registers and power; import less export in kW.';

CREATE VIEW device_overview AS
SELECT d.id AS device_id, d.name AS device, d.online, d.status_at, d.first_seen_at, d.last_seen_at, d.boot, d.software,
       d.registered_at, coalesce(c.meters, 0) AS meters, t.version AS desired_version, r.version AS reported_version,
       r.state AS reported_state, r.at AS reported_at
FROM device d
LEFT JOIN (SELECT device_id, count(*) AS meters FROM meter WHERE removed_at IS NULL GROUP BY device_id) c
       ON c.device_id = d.id
LEFT JOIN desired t ON t.device_id = d.id
LEFT JOIN reported r ON r.device_id = d.id;
COMMENT ON VIEW device_overview IS 'Each device with its state, its number of meters and how its configuration stands.';

-- A function, because a range of time must be applied before the grouping. `late` is a message that came after one with a
-- higher number; `lost` counts the numbers missing between the lowest and the highest seen.
CREATE FUNCTION message_gap_between(since timestamptz, until timestamptz)
RETURNS TABLE (
    device text, boot text, messages bigint, rows bigint, lost bigint, repeated bigint, late bigint,
    first_seq bigint, last_seq bigint, first_received_at timestamptz, last_received_at timestamptz
)
LANGUAGE sql STABLE SECURITY DEFINER  -- so that who may read the view need not read the ledger
BEGIN ATOMIC
    WITH delivery AS (
        SELECT e.device_id, e.boot, e.seq, min(e.received_at) AS received_at, max(e.received_at) AS again_at,
               max(e.rows) AS rows, count(*) AS times
        FROM message e
        WHERE e.received_at >= since AND e.received_at < until
        GROUP BY e.device_id, e.boot, e.seq
    ), ordered AS (
        SELECT y.*, max(y.seq) OVER (
                   PARTITION BY y.device_id, y.boot ORDER BY y.received_at, y.seq
               ) AS highest
        FROM delivery y
    )
    SELECT d.name, o.boot, count(*), sum(o.rows)::bigint, max(o.seq) - min(o.seq) + 1 - count(*),
           sum(o.times - 1)::bigint, count(*) FILTER (WHERE o.seq < o.highest), min(o.seq), max(o.seq),
           min(o.received_at), max(o.again_at)
    FROM ordered o
    JOIN device d ON d.id = o.device_id
    GROUP BY d.name, o.boot;
END;
COMMENT ON FUNCTION message_gap_between IS 'Lost, repeated and late messages of each device and boot, received in [since, until).';

CREATE VIEW message_gap AS
SELECT * FROM message_gap_between('-infinity', 'infinity');
COMMENT ON VIEW message_gap IS 'message_gap_between over the whole ledger; give a range on large ledgers.';

CREATE VIEW event_log AS
SELECT e.received_at, e.at, d.name AS device, m.key AS meter, e.source, e.event, e.severity, e.boot, e.seq, e.detail
FROM event e
LEFT JOIN device d ON d.id = e.device_id
LEFT JOIN meter m ON m.id = e.meter_id;
COMMENT ON VIEW event_log IS 'Events with device and meter.';

CREATE VIEW quarantine AS
SELECT f.received_at, f.id, d.name AS device, m.key AS meter, f.topic, f.kind, f.reason, f.detail, f.port, f.protocol,
       f.at, octet_length(f.data) AS bytes
FROM frame f
LEFT JOIN device d ON d.id = f.device_id
LEFT JOIN meter m ON m.id = f.meter_id;
COMMENT ON VIEW quarantine IS 'What is in quarantine, and why, without the bytes themselves.';
