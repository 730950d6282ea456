-- Each service may do what its job needs and no more. The roles themselves are made before the first migration.

GRANT USAGE ON SCHEMA public TO wattline_ingestor, wattline_gateway, wattline_grafana;

-- The ingestor writes telemetry and finds or adds names.
GRANT SELECT ON device, meter, series, reading_source, message_kind, reading, message, frame, event TO wattline_ingestor;
GRANT INSERT (name), UPDATE (last_seen_at, online, status_at, boot, software) ON device TO wattline_ingestor;
GRANT INSERT (key, device_id, spec, installed_at) ON meter TO wattline_ingestor;
GRANT INSERT (meter_id, obis, unit, kind) ON series TO wattline_ingestor;
GRANT INSERT ON reading, message, frame, event TO wattline_ingestor;

-- The gateway writes control tables, reads everything, notes events of its own and quarantines payloads of its kinds.
GRANT SELECT ON ALL TABLES IN SCHEMA public TO wattline_gateway;
GRANT INSERT, UPDATE ON device, meter TO wattline_gateway;
GRANT INSERT ON spec, parameter_document, desired_history, event, frame TO wattline_gateway;
GRANT INSERT, UPDATE, DELETE ON desired, reported TO wattline_gateway;

-- Grafana reads views, never the bytes in quarantine nor anybody's parameters.
GRANT SELECT ON named_reading, latest_reading, meter_overview, device_overview, message_gap, event_log, quarantine
    TO wattline_grafana;

REVOKE EXECUTE ON FUNCTION message_gap_between FROM PUBLIC;
GRANT EXECUTE ON FUNCTION message_gap_between TO wattline_ingestor, wattline_gateway, wattline_grafana;

-- Services look here whether the database fits them.
GRANT SELECT ON schema_migration, installation TO wattline_ingestor, wattline_gateway, wattline_grafana;
