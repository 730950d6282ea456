-- Third parties' sources and how they stand.

CREATE OR REPLACE VIEW source_overview AS
SELECT s.name AS source, s.kind, s.version, s.enabled, d.name AS device, d.last_seen_at,
       (SELECT count(*) FROM meter m WHERE m.device_id = s.device_id AND m.removed_at IS NULL) AS meters,
       (SELECT count(*) FROM payload p WHERE p.source = s.name AND p.state = 'waiting') AS waiting,
       (SELECT p.received_at FROM payload p WHERE p.source = s.name AND p.state = 'waiting' ORDER BY p.id LIMIT 1) AS waiting_since,
       (SELECT count(*) FROM payload p WHERE p.source = s.name AND p.state = 'unmapped') AS unmapped,
       (SELECT p.reason FROM payload p WHERE p.source = s.name AND p.state = 'unmapped' ORDER BY p.id DESC LIMIT 1) AS reason
FROM source s
JOIN device d ON d.id = s.device_id;
COMMENT ON VIEW source_overview IS 'Each source with what of it waits, since when, what no mapping made anything of, and why the newest of that.';

GRANT SELECT ON source_overview TO wattline_gateway, wattline_grafana;
