-- Payloads of third parties: where they come from, how they become readings, and each of them until it did.

CREATE TABLE source (
    name       text PRIMARY KEY CHECK (name ~ '^[a-z0-9][a-z0-9-]{0,47}$'),
    kind       text NOT NULL CHECK (kind IN ('hook', 'mqtt', 'file')),
    version    integer,
    enabled    boolean NOT NULL DEFAULT true,
    device_id  integer NOT NULL UNIQUE REFERENCES device (id),
    settings   jsonb NOT NULL DEFAULT '{}',
    secret     bytea,
    master     text,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    changed_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE source IS 'A third party that sends payloads: by HTTP (hook), by foreign MQTT topics (mqtt), or as files.';
COMMENT ON COLUMN source.version IS 'The version of its mapping in force; null until it has one: its payloads are kept until then.';
COMMENT ON COLUMN source.device_id IS 'The device that stands for it in the fleet: its meters are this one''s, as those at a Pi''s ports are the Pi''s.';
COMMENT ON COLUMN source.settings IS 'How it proves itself, and its limits: a document of gateway/sources, read by the intake.';
COMMENT ON COLUMN source.secret IS 'What it signs with, sealed by the master key that stands beside the services and never here.';
COMMENT ON COLUMN source.master IS 'Which master key sealed it, by its fingerprint.';

CREATE TABLE source_mapping (
    source   text NOT NULL REFERENCES source (name),
    version  integer NOT NULL CHECK (version >= 1),
    document text NOT NULL,
    sha256   text NOT NULL,
    author   text NOT NULL,
    reason   text,
    at       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (source, version)
);
COMMENT ON TABLE source_mapping IS 'How payloads become readings and events, as YAML with goldens; immutable by version.';
ALTER TABLE source ADD FOREIGN KEY (name, version) REFERENCES source_mapping (source, version) DEFERRABLE;

CREATE TABLE payload (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source       text NOT NULL,
    key          text NOT NULL,
    received_at  timestamptz NOT NULL DEFAULT now(),
    content_type text NOT NULL DEFAULT '',
    topic        text,
    body         bytea,
    state        text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'unmapped', 'mapped')),
    version      integer,
    readings     integer NOT NULL DEFAULT 0,
    events       integer NOT NULL DEFAULT 0,
    reason       text,
    mapped_at    timestamptz,
    UNIQUE (source, key)
);
CREATE INDEX payload_waiting ON payload (id) WHERE state = 'waiting';
CREATE INDEX payload_unmapped ON payload (source, id) WHERE state = 'unmapped';
CREATE INDEX payload_mapped ON payload (mapped_at) WHERE state = 'mapped';
COMMENT ON TABLE payload IS 'What third parties sent and were told is kept; the row stays after it was mapped, so that a repeat is known by its key.';
COMMENT ON COLUMN payload.source IS 'No foreign key, so that writers lock no source.';
COMMENT ON COLUMN payload.key IS 'The sender''s idempotency key, else the SHA-256 of the body in hex.';
COMMENT ON COLUMN payload.content_type IS 'As the sender said it; the body is as it was sent, but for its compression.';
COMMENT ON COLUMN payload.topic IS 'The MQTT topic, of what came by one.';
COMMENT ON COLUMN payload.body IS 'Null once it was mapped and kept long enough.';
COMMENT ON COLUMN payload.state IS 'waiting for the worker; unmapped: no mapping made anything of it, a new version tries again; mapped.';
COMMENT ON COLUMN payload.version IS 'The version of the mapping that was tried last.';
COMMENT ON COLUMN payload.reason IS 'Why it is unmapped, naming the field.';

GRANT SELECT, INSERT, UPDATE, DELETE ON source, source_mapping TO wattline_gateway;
GRANT SELECT, UPDATE, DELETE ON payload TO wattline_gateway;
GRANT SELECT ON source, source_mapping TO wattline_ingestor, wattline_intake;
GRANT SELECT, UPDATE, DELETE ON payload TO wattline_ingestor;
GRANT SELECT (id, source, key, received_at, state), INSERT (source, key, content_type, topic, body) ON payload TO wattline_intake;
GRANT USAGE ON SCHEMA public TO wattline_intake;
GRANT SELECT ON schema_migration, installation, store_setting TO wattline_intake;
