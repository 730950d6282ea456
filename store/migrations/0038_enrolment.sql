-- How devices let themselves in: claims that images carry, what was asked by them, and the certificates that were given.
CREATE TABLE claim (
    name       text PRIMARY KEY CHECK (name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$'),
    sha256     bytea NOT NULL,
    site       text CHECK (site ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$'),
    uses       integer NOT NULL CHECK (uses BETWEEN 1 AND 1000000),
    used       integer NOT NULL DEFAULT 0 CHECK (used >= 0),
    until      timestamptz NOT NULL,
    approval   text NOT NULL CHECK (approval IN ('at_once', 'by_person')),
    author     text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    revoked_at timestamptz,
    revoked_by text,
    CHECK ((revoked_at IS NULL) = (revoked_by IS NULL))
);
COMMENT ON TABLE claim IS 'By which devices may enrol: so many, until then. Only the hash of the token''s 256 random bits is kept.';
COMMENT ON COLUMN claim.used IS 'Identities that were given by it. A person may let in more than its uses.';

CREATE TABLE enrolment (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    device      text NOT NULL CHECK (device ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$'),
    hardware    text NOT NULL CHECK (length(hardware) BETWEEN 1 AND 64),
    facts       jsonb NOT NULL DEFAULT '{}',
    spki_sha256 bytea NOT NULL,
    csr         bytea NOT NULL,
    claim       text REFERENCES claim (name),
    address     text NOT NULL,
    state       text NOT NULL CHECK (state IN ('waiting', 'issued', 'refused')),
    reason      text,
    identity    text REFERENCES credential (identity),
    asked_at    timestamptz NOT NULL DEFAULT now(),
    last_asked_at timestamptz NOT NULL DEFAULT now(),
    decided_at  timestamptz,
    decided_by  text,
    UNIQUE (device, hardware, spki_sha256),
    CHECK ((state = 'issued') = (identity IS NOT NULL)),
    CHECK ((state = 'waiting') = (decided_at IS NULL)),
    CHECK ((decided_at IS NULL) = (decided_by IS NULL))
);
CREATE INDEX enrolment_waiting ON enrolment (id) WHERE state = 'waiting';
CREATE INDEX enrolment_claim ON enrolment (claim) WHERE state = 'waiting';
CREATE INDEX enrolment_identity ON enrolment (identity);
COMMENT ON TABLE enrolment IS 'What devices asked for: one row for each key of a device on one hardware, and what was decided.';
COMMENT ON COLUMN enrolment.hardware IS 'By which the same machine is known again: a Pi''s serial number, or a hash of the machine id. The device says it.';
COMMENT ON COLUMN enrolment.claim IS 'By which claim it asked; null for a renewal that came from another hardware.';
COMMENT ON COLUMN enrolment.reason IS 'Why it waits, or was refused.';
COMMENT ON COLUMN enrolment.decided_by IS 'A person, or enrolment where the claim''s policy decided.';

CREATE TABLE certificate (
    serial      text PRIMARY KEY,
    identity    text NOT NULL REFERENCES credential (identity),
    spki_sha256 bytea NOT NULL,
    not_before  timestamptz NOT NULL,
    not_after   timestamptz NOT NULL,
    issued_at   timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX certificate_identity ON certificate (identity, issued_at);
COMMENT ON TABLE certificate IS 'Device certificates that were given out; which identity may log in says credential.';
COMMENT ON COLUMN certificate.serial IS 'As hexadecimal digits.';

GRANT SELECT, INSERT, UPDATE (used, revoked_at, revoked_by) ON claim TO wattline_gateway;
GRANT SELECT, INSERT, UPDATE ON enrolment TO wattline_gateway;
GRANT SELECT, INSERT ON certificate TO wattline_gateway;
