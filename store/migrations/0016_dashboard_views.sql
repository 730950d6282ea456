-- What dashboards ask beyond the views that people read too: the ledger by time, batches, energy registers, parameters.

-- Outer joins, so that a query that names neither device nor meter does not pay for them.
CREATE VIEW ledger AS
SELECT e.received_at, e.stored_at, e.newest_at, k.kind, d.name AS device, m.key AS meter, e.rows, e.boot, e.seq, e.spec
FROM message e
LEFT JOIN message_kind k ON k.id = e.kind
LEFT JOIN device d ON d.id = e.device_id
LEFT JOIN meter m ON m.id = e.meter_id;
COMMENT ON VIEW ledger IS 'Every delivery of a message with its device and meter. Always give a range of received_at.';

-- How long a commit took is known when it is done: the ingestor enters each batch with the next one.
CREATE TABLE ingest_batch (
    at       timestamptz NOT NULL,
    commit_s double precision NOT NULL,
    messages integer NOT NULL,
    rows     integer NOT NULL,
    ingestor text NOT NULL
);
SELECT create_hypertable('ingest_batch', by_range('at', INTERVAL '1 day'), create_default_indexes => false);
CREATE UNIQUE INDEX ingest_batch_at_ingestor ON ingest_batch (at, ingestor);
COMMENT ON TABLE ingest_batch IS 'The ingestors'' transactions of the last week: messages and values, and what writing and commit took.';
COMMENT ON COLUMN ingest_batch.at IS 'When it was committed, by the ingestor''s clock.';

CREATE VIEW batch_log AS
SELECT at, ingestor, messages, rows, commit_s FROM ingest_batch;
COMMENT ON VIEW batch_log IS 'What each transaction of an ingestor held, and what it took to write and commit it.';

-- A meter without a total register stands at the sum of its tariffs. As decimals, so that the sum has no dust.
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
           max(value) FILTER (WHERE obis = '1-0:1.8.0' AND unit = 'kWh') AS import_kwh,
           max(value) FILTER (WHERE obis = '1-0:2.8.0' AND unit = 'kWh') AS export_kwh,
           sum(value::numeric) FILTER (WHERE obis ~ '^1-0:1\.8\.[1-9]$' AND unit = 'kWh')::double precision AS import_tariffs_kwh,
           sum(value::numeric) FILTER (WHERE obis ~ '^1-0:2\.8\.[1-9]$' AND unit = 'kWh')::double precision AS export_tariffs_kwh,
           max(value) FILTER (WHERE obis = '1-0:16.7.0' AND unit = 'kW') AS net_kw,
           max(value) FILTER (WHERE obis = '1-0:1.7.0' AND unit = 'kW') AS import_kw,
           max(value) FILTER (WHERE obis = '1-0:2.7.0' AND unit = 'kW') AS export_kw
    FROM latest_reading
    GROUP BY meter_id
) l ON l.meter_id = m.id;
COMMENT ON VIEW meter_overview IS
    'Each meter with its device, product, newest registers (the total, else the sum of the tariffs) and power; import less export in kW.';

CREATE VIEW energy_series AS
SELECT s.id AS series_id, s.meter_id, m.key AS meter, m.device_id, d.name AS device, s.obis,
       CASE substr(s.obis, 5, 1) WHEN '1' THEN 'import' ELSE 'export' END AS direction,
       right(s.obis, 1)::integer AS tariff,
       right(s.obis, 1) = '0' OR bool_and(right(s.obis, 1) <> '0') OVER whole AS counts,
       right(s.obis, 1) <> '0' OR bool_and(right(s.obis, 1) = '0') OVER whole AS billed
FROM series s
JOIN meter m ON m.id = s.meter_id
LEFT JOIN device d ON d.id = m.device_id
WHERE s.unit = 'kWh' AND s.obis ~ '^1-0:[12]\.8\.[0-9]$'
WINDOW whole AS (PARTITION BY s.meter_id, substr(s.obis, 5, 1));
COMMENT ON VIEW energy_series IS 'Registers of active energy by meter, direction and tariff (0 is the sum of all tariffs).';
COMMENT ON COLUMN energy_series.counts IS 'These together are the meter''s energy: its total register, or its tariffs where it has none.';
COMMENT ON COLUMN energy_series.billed IS 'These together are what is paid for: its tariffs, or its total register where it has none.';

CREATE VIEW parameter_state AS
SELECT d.name AS device, k.parameter, t.document #>> ARRAY['parameters', k.parameter] AS desired,
       r.effective ->> k.parameter AS reported, t.version AS desired_version, r.version AS reported_version,
       r.state AS reported_state, r.at AS reported_at
FROM device d
LEFT JOIN desired t ON t.device_id = d.id
LEFT JOIN reported r ON r.device_id = d.id
CROSS JOIN LATERAL (
    SELECT jsonb_object_keys(coalesce(t.document -> 'parameters', '{}')) AS parameter
    UNION
    SELECT jsonb_object_keys(coalesce(r.effective, '{}'))
) k;
COMMENT ON VIEW parameter_state IS 'Each parameter of each device as desired and as the device says it holds.';

CREATE VIEW parameter_refusal AS
SELECT d.name AS device, r.version, r.at, x.reason ->> 'field' AS field, x.reason ->> 'reason' AS reason, r.state
FROM reported r
JOIN device d ON d.id = r.device_id
CROSS JOIN LATERAL jsonb_array_elements(r.reasons) AS x(reason)
WHERE r.state IN ('refused', 'reverted');
COMMENT ON VIEW parameter_refusal IS 'Why devices refused the desired version that they last saw, or went back from it.';

CREATE VIEW parameter_change AS
SELECT h.published_at AS at, d.name AS device, h.version, h.author, coalesce(c.changes, '{}') AS changes
FROM desired_history h
JOIN device d ON d.id = h.device_id
LEFT JOIN LATERAL (
    SELECT p.document FROM desired_history p
    WHERE p.device_id = h.device_id AND p.version < h.version
    ORDER BY p.version DESC
    LIMIT 1
) before ON true
CROSS JOIN LATERAL (
    SELECT array_agg(concat(coalesce(n.key, o.key), ': ', coalesce(o.value, 'unset'), ' → ', coalesce(n.value, 'unset'))
                     ORDER BY coalesce(n.key, o.key)) AS changes
    FROM (
        SELECT key, value FROM jsonb_each_text(coalesce(h.document -> 'parameters', '{}'))
        UNION ALL
        SELECT 'spec of ' || key, value ->> 'spec' FROM jsonb_each(coalesce(h.document -> 'meters', '{}'))
    ) n
    FULL JOIN (
        SELECT key, value FROM jsonb_each_text(coalesce(before.document -> 'parameters', '{}'))
        UNION ALL
        SELECT 'spec of ' || key, value ->> 'spec' FROM jsonb_each(coalesce(before.document -> 'meters', '{}'))
    ) o ON o.key = n.key
    WHERE n.value IS DISTINCT FROM o.value AND before.document IS NOT NULL
) c;
COMMENT ON VIEW parameter_change IS 'Every desired version of every device, with its author and what it changed; the first one changes nothing.';

GRANT SELECT ON ledger, batch_log, energy_series, parameter_state, parameter_refusal, parameter_change
    TO wattline_gateway, wattline_grafana;
GRANT INSERT, SELECT ON ingest_batch TO wattline_ingestor;
