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

CREATE OR REPLACE VIEW payload_log AS
SELECT id, source, received_at, mapped_at, state, version, readings, events, reason FROM payload;
COMMENT ON VIEW payload_log IS 'Payloads of third parties and what became of each, without keys and bodies.';

CREATE OR REPLACE VIEW source_proposal_overview AS
SELECT id, broker, origin, name, topics, detail, state, source, decided_by, decided_at, first_at, last_at FROM source_proposal;
COMMENT ON VIEW source_proposal_overview IS 'Sources that the bridge proposes, and what was decided, without the mappings.';

CREATE OR REPLACE VIEW outlet_overview AS
SELECT c.name AS output, c.since, c.seeded, c.seen_at,
       (SELECT s.at FROM stored_span s WHERE (s.xid, s.id) > (c.xid, c.span_id) ORDER BY s.xid, s.id LIMIT 1) AS waiting_since
FROM outlet_cursor c;
COMMENT ON VIEW outlet_overview IS 'Outputs of all readings, when each looked last, and since when the first commit waits that it has still to give.';

GRANT SELECT ON payload_log, source_proposal_overview, outlet_overview TO wattline_gateway, wattline_grafana;
GRANT SELECT ON source_overview TO wattline_gateway, wattline_grafana;
