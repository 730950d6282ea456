-- What engineers decide: specs, parameters, desired and reported state.

CREATE TABLE spec (
    name         text NOT NULL,
    version      integer NOT NULL CHECK (version >= 1),
    document     jsonb NOT NULL,
    source       text NOT NULL,
    sha256       text NOT NULL,
    generic      boolean NOT NULL DEFAULT false,
    author       text NOT NULL DEFAULT 'system',
    published_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (name, version)
);
COMMENT ON TABLE spec IS 'Published specs, immutable: a change is a new version.';
COMMENT ON COLUMN spec.source IS 'The text as its author wrote it; document is the same as JSON.';

CREATE FUNCTION refuse_spec_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'spec %@% is published and can''t be changed; publish version %', OLD.name, OLD.version, OLD.version + 1
        USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER spec_is_immutable BEFORE UPDATE OR DELETE ON spec
    FOR EACH ROW EXECUTE FUNCTION refuse_spec_change();

CREATE TABLE parameter_document (
    id         integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    scope      text NOT NULL CHECK (scope ~ '^(fleet|(group|device):[A-Za-z0-9][A-Za-z0-9._-]{0,63})$'),
    version    integer NOT NULL CHECK (version >= 1),
    document   jsonb NOT NULL,
    author     text NOT NULL,
    reason     text,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (scope, version)
);
COMMENT ON TABLE parameter_document IS 'Each version of each layer of parameters, with its author; the highest version of a scope holds.';

CREATE TABLE desired (
    device_id    integer PRIMARY KEY REFERENCES device (id),
    version      bigint NOT NULL CHECK (version >= 1),
    hash         text NOT NULL,
    document     jsonb NOT NULL,
    author       text NOT NULL,
    published_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE desired IS 'The desired configuration of each device; the retained message is its image.';

CREATE TABLE desired_history (
    device_id    integer NOT NULL REFERENCES device (id),
    version      bigint NOT NULL,
    hash         text NOT NULL,
    document     jsonb NOT NULL,
    author       text NOT NULL,
    published_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (device_id, version)
);
COMMENT ON TABLE desired_history IS 'Every desired configuration that was ever published.';

CREATE TABLE reported (
    device_id   integer PRIMARY KEY REFERENCES device (id),
    version     bigint NOT NULL,
    state       text NOT NULL CHECK (state IN ('applied', 'refused')),
    reasons     jsonb NOT NULL DEFAULT '[]',
    effective   jsonb NOT NULL,
    specs       jsonb NOT NULL DEFAULT '{}',
    boot        text NOT NULL,
    at          timestamptz NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE reported IS 'What each device last said it applied or refused.';
