-- Changes that are streamed, and the audit.

-- Runs as its owner: who writes a device or an event need not be let into `change`.
CREATE OR REPLACE FUNCTION note_change() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    row jsonb := to_jsonb(NEW);
BEGIN
    INSERT INTO change (kind, device, detail)
    SELECT TG_ARGV[0],
           CASE WHEN TG_ARGV[0] = 'device' THEN row ->> 'name'
                ELSE (SELECT name FROM device WHERE device.id = (row ->> 'device_id')::int) END,
           (SELECT coalesce(jsonb_object_agg(field, row -> field), '{}') FROM unnest(TG_ARGV[1:]) AS field);
    RETURN NULL;
END
$$;

CREATE OR REPLACE VIEW audit_log AS
SELECT at, actor, role, address, action, method, path, status, result FROM audit;
COMMENT ON VIEW audit_log IS 'Who changed what over HTTP, and which attempts were refused, without what was sent.';

CREATE OR REPLACE VIEW broker_login_overview AS SELECT at, name, refused, times FROM broker_login;
COMMENT ON VIEW broker_login_overview IS 'Logins at the broker by minute: let in in all (name empty), and refused by claimed client id; people by hour.';

CREATE OR REPLACE VIEW gateway_gauge_overview AS
SELECT gateway, gauge, of, value, at FROM gateway_gauge WHERE at > now() - INTERVAL '15 minutes';
COMMENT ON VIEW gateway_gauge_overview IS 'Figures of the gateways that run: logins that do not match, devices that wait for a person, when certificates end (Unix time).';

GRANT SELECT ON broker_login_overview, gateway_gauge_overview TO wattline_gateway, wattline_grafana;
