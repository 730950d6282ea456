-- Who may use the HTTP API and the console, what they did, and what changed lately.

CREATE TABLE api_token (
    id           integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name         text NOT NULL CHECK (name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$'),
    role         text NOT NULL CHECK (role IN ('viewer', 'engineer', 'admin')),
    sha256       bytea NOT NULL UNIQUE,
    author       text NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz,
    last_used_at timestamptz,
    revoked_at   timestamptz
);
CREATE UNIQUE INDEX api_token_name ON api_token (name) WHERE revoked_at IS NULL;
COMMENT ON TABLE api_token IS 'Tokens of the HTTP API; only the hash of the 256 random bits is kept. A revoked one stays for the audit.';
COMMENT ON COLUMN api_token.last_used_at IS 'Brought up to date about once a minute.';

CREATE TABLE console_session (
    sha256     bytea PRIMARY KEY,
    token_id   integer REFERENCES api_token (id),
    proof      bytea CHECK ((proof IS NULL) <> (token_id IS NULL)),
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL
);
COMMENT ON TABLE console_session IS 'Browsers that are logged in, by the hash of their cookie.';
COMMENT ON COLUMN console_session.proof IS 'Of the token in the gateway''s settings: its HMAC under the cookie, so that another setting ends the session.';

CREATE TABLE audit (
    at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    id      bigint GENERATED ALWAYS AS IDENTITY,
    actor   text NOT NULL,
    role    text,
    address text NOT NULL,
    action  text NOT NULL,
    method  text NOT NULL,
    path    text NOT NULL,
    query   text NOT NULL DEFAULT '',
    body    text NOT NULL DEFAULT '',
    status  integer NOT NULL,
    result  text NOT NULL
);
SELECT create_hypertable('audit', by_range('at', INTERVAL '30 days'));
COMMENT ON TABLE audit IS 'Each change over HTTP and each refused attempt: who, from where, what, and what came of it.';
COMMENT ON COLUMN audit.body IS 'The first thousand characters of what was sent; never a token.';

-- What open pages and event streams follow. A row's number is taken before its commit, so that a reader by number alone
-- would pass over one that commits late; readers take rows whose transaction is below the oldest still under way.
CREATE TABLE change (
    id     bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    xid    xid8 NOT NULL DEFAULT pg_current_xact_id(),
    at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    kind   text NOT NULL,
    device text,
    detail jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX change_xid_id ON change (xid, id);
CREATE INDEX change_at ON change (at);
COMMENT ON TABLE change IS 'What happened in the last hour, for live views: devices, desired, reported, events, specs, jobs, commands, stages. The gateway trims it.';

-- Runs as its owner: who writes a device or an event need not be let into `change`.
CREATE FUNCTION note_change() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
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

CREATE TRIGGER change_new AFTER INSERT ON device
    FOR EACH ROW EXECUTE FUNCTION note_change('device', 'online', 'software', 'registered_at');
CREATE TRIGGER change_seen AFTER UPDATE OF online, registered_at, software ON device
    FOR EACH ROW WHEN ((OLD.online, OLD.registered_at, OLD.software) IS DISTINCT FROM (NEW.online, NEW.registered_at, NEW.software))
    EXECUTE FUNCTION note_change('device', 'online', 'software', 'registered_at');
CREATE TRIGGER change_new AFTER INSERT ON desired
    FOR EACH ROW EXECUTE FUNCTION note_change('desired', 'version', 'author');
CREATE TRIGGER change_version AFTER UPDATE OF version ON desired
    FOR EACH ROW WHEN (OLD.version <> NEW.version) EXECUTE FUNCTION note_change('desired', 'version', 'author');
CREATE TRIGGER change_new AFTER INSERT ON reported
    FOR EACH ROW EXECUTE FUNCTION note_change('reported', 'version', 'state');
CREATE TRIGGER change_version AFTER UPDATE ON reported
    FOR EACH ROW WHEN ((OLD.version, OLD.state) <> (NEW.version, NEW.state))
    EXECUTE FUNCTION note_change('reported', 'version', 'state');
CREATE TRIGGER change_new AFTER INSERT ON event
    FOR EACH ROW EXECUTE FUNCTION note_change('event', 'event', 'severity', 'source');
CREATE TRIGGER change_new AFTER INSERT ON spec FOR EACH ROW EXECUTE FUNCTION note_change('spec', 'name', 'version');
CREATE TRIGGER change_new AFTER INSERT ON spec_deprecation
    FOR EACH ROW EXECUTE FUNCTION note_change('spec', 'name', 'version');
CREATE TRIGGER change_saved AFTER INSERT OR UPDATE ON spec_draft
    FOR EACH ROW EXECUTE FUNCTION note_change('spec', 'name', 'version');
CREATE TRIGGER change_new AFTER INSERT ON spec_rollout FOR EACH ROW EXECUTE FUNCTION note_change('spec', 'name', 'version');
CREATE TRIGGER change_state AFTER UPDATE ON spec_rollout
    FOR EACH ROW WHEN ((OLD.state, OLD.audience) <> (NEW.state, NEW.audience))
    EXECUTE FUNCTION note_change('spec', 'name', 'version');
CREATE TRIGGER change_new AFTER INSERT ON job FOR EACH ROW EXECUTE FUNCTION note_change('job', 'id', 'spec', 'state');
CREATE TRIGGER change_state AFTER UPDATE ON job
    FOR EACH ROW WHEN (OLD.state <> NEW.state) EXECUTE FUNCTION note_change('job', 'id', 'spec', 'state');
CREATE TRIGGER change_new AFTER INSERT ON command FOR EACH ROW EXECUTE FUNCTION note_change('command', 'id', 'command', 'state');
CREATE TRIGGER change_state AFTER UPDATE ON command
    FOR EACH ROW WHEN (OLD.state <> NEW.state) EXECUTE FUNCTION note_change('command', 'id', 'command', 'state');
CREATE TRIGGER change_new AFTER INSERT ON parameter_stage FOR EACH ROW EXECUTE FUNCTION note_change('stage', 'id', 'scope', 'state');
CREATE TRIGGER change_state AFTER UPDATE ON parameter_stage
    FOR EACH ROW WHEN ((OLD.state, OLD.step) <> (NEW.state, NEW.step))
    EXECUTE FUNCTION note_change('stage', 'id', 'scope', 'state');

CREATE VIEW audit_log AS
SELECT at, actor, role, address, action, method, path, status, result FROM audit;
COMMENT ON VIEW audit_log IS 'Who changed what over HTTP, and which attempts were refused, without what was sent.';

GRANT SELECT, INSERT, UPDATE (last_used_at, revoked_at) ON api_token TO wattline_gateway;
GRANT SELECT, INSERT, DELETE ON console_session TO wattline_gateway;
GRANT SELECT, INSERT ON audit TO wattline_gateway;
GRANT SELECT, DELETE ON change TO wattline_gateway;
GRANT SELECT ON audit_log TO wattline_gateway, wattline_grafana;
