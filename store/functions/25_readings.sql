-- Readings with their names, and the newest.

CREATE OR REPLACE VIEW series_name AS
SELECT s.id AS series_id, s.meter_id, m.device_id, d.name AS device, m.key AS meter,
       -- a meter that no registration has described yet stands at its device and port
       coalesce(p.name, concat_ws('/', d.name, m.port)) AS point,
       s.obis, s.unit, s.kind, m.product
FROM series s
JOIN meter m ON m.id = s.meter_id
LEFT JOIN point p ON p.id = m.point_id
LEFT JOIN device d ON d.id = m.device_id;
COMMENT ON VIEW series_name IS 'What each series measures, where, and by which meter and device.';

CREATE OR REPLACE VIEW named_reading AS
SELECT r.time, d.name AS device, m.key AS meter, s.obis, s.unit, s.kind, r.value, o.source, o.clock,
       r.series_id, s.meter_id, m.device_id
FROM reading r
JOIN series s ON s.id = r.series_id
JOIN meter m ON m.id = s.meter_id
LEFT JOIN device d ON d.id = m.device_id
JOIN reading_source o ON o.id = r.source;
COMMENT ON VIEW named_reading IS 'Readings with device, meter, OBIS code and unit. Always give a range of time.';

-- A descent of the unique index for each series, newest chunk first, instead of a sort of the readings.
CREATE OR REPLACE VIEW latest_reading AS
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

-- A meter without a total register stands at the sum of its tariffs. As decimals, so that the sum has no dust. Some meters
-- (Kamstrup's HAN) call their only channel 1, not 0.
CREATE OR REPLACE VIEW meter_overview AS
SELECT m.id AS meter_id, m.key AS meter, d.name AS device, p.key AS parent, m.manufacturer, m.product, m.serial,
       m.firmware, m.protocol, m.port, m.spec, m.installed_at, m.removed_at, d.online, d.last_seen_at,
       l.last_reading_at, l.series, coalesce(l.import_kwh, l.import_tariffs_kwh) AS import_kwh,
       coalesce(l.export_kwh, l.export_tariffs_kwh) AS export_kwh, coalesce(l.net_kw, l.import_kw - coalesce(l.export_kw, 0)) AS power_kw
FROM meter m
LEFT JOIN device d ON d.id = m.device_id
LEFT JOIN meter p ON p.id = m.parent_id
LEFT JOIN (
    SELECT meter_id, max(time) AS last_reading_at, count(*) AS series,
           coalesce(max(value) FILTER (WHERE obis = '1-0:1.8.0' AND unit = 'kWh'),
                    max(value) FILTER (WHERE obis = '1-1:1.8.0' AND unit = 'kWh')) AS import_kwh,
           coalesce(max(value) FILTER (WHERE obis = '1-0:2.8.0' AND unit = 'kWh'),
                    max(value) FILTER (WHERE obis = '1-1:2.8.0' AND unit = 'kWh')) AS export_kwh,
           coalesce(sum(value::numeric) FILTER (WHERE obis ~ '^1-0:1\.8\.[1-9]$' AND unit = 'kWh'),
                    sum(value::numeric) FILTER (WHERE obis ~ '^1-1:1\.8\.[1-9]$' AND unit = 'kWh'))::double precision AS import_tariffs_kwh,
           coalesce(sum(value::numeric) FILTER (WHERE obis ~ '^1-0:2\.8\.[1-9]$' AND unit = 'kWh'),
                    sum(value::numeric) FILTER (WHERE obis ~ '^1-1:2\.8\.[1-9]$' AND unit = 'kWh'))::double precision AS export_tariffs_kwh,
           coalesce(max(value) FILTER (WHERE obis = '1-0:16.7.0' AND unit = 'kW'),
                    max(value) FILTER (WHERE obis = '1-1:16.7.0' AND unit = 'kW')) AS net_kw,
           coalesce(max(value) FILTER (WHERE obis = '1-0:1.7.0' AND unit = 'kW'),
                    max(value) FILTER (WHERE obis = '1-1:1.7.0' AND unit = 'kW')) AS import_kw,
           coalesce(max(value) FILTER (WHERE obis = '1-0:2.7.0' AND unit = 'kW'),
                    max(value) FILTER (WHERE obis = '1-1:2.7.0' AND unit = 'kW')) AS export_kw
    FROM latest_reading
    GROUP BY meter_id
) l ON l.meter_id = m.id;
COMMENT ON VIEW meter_overview IS
    'Each meter with its device, product, newest registers (the total, else the sum of the tariffs) and power; import less export in kW.';

CREATE OR REPLACE VIEW energy_series AS
SELECT s.id AS series_id, s.meter_id, m.key AS meter, m.device_id, d.name AS device, s.obis,
       CASE substr(s.obis, 5, 1) WHEN '1' THEN 'import' ELSE 'export' END AS direction,
       right(s.obis, 1)::integer AS tariff,
       right(s.obis, 1) = '0' OR bool_and(right(s.obis, 1) <> '0') OVER whole AS counts,
       right(s.obis, 1) <> '0' OR bool_and(right(s.obis, 1) = '0') OVER whole AS billed
FROM series s
JOIN meter m ON m.id = s.meter_id
LEFT JOIN device d ON d.id = m.device_id
WHERE s.unit = 'kWh' AND s.obis ~ '^1-[01]:[12]\.8\.[0-9]$'
      AND (s.obis LIKE '1-0:%' OR NOT EXISTS (
          SELECT FROM series o
          WHERE o.meter_id = s.meter_id AND o.unit = 'kWh' AND o.obis ~ ('^1-0:' || substr(s.obis, 5, 1) || '\.8\.[0-9]$')))
WINDOW whole AS (PARTITION BY s.meter_id, substr(s.obis, 5, 1));
COMMENT ON VIEW energy_series IS 'Registers of active energy by meter, direction and tariff (0 is the sum of all tariffs).';
COMMENT ON COLUMN energy_series.counts IS 'These together are the meter''s energy: its total register, or its tariffs where it has none.';
COMMENT ON COLUMN energy_series.billed IS 'These together are what is paid for: its tariffs, or its total register where it has none.';
