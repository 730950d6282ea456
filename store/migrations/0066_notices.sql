-- What is told to others when something happens: channels, rules, what they found, and each message until it is there.

CREATE TABLE notice_channel (
    name       text PRIMARY KEY CHECK (name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$'),
    kind       text NOT NULL CHECK (kind IN ('webhook', 'apprise')),
    shown      text NOT NULL,
    sealed     bytea NOT NULL,
    master     text NOT NULL,
    author     text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    changed_at timestamptz NOT NULL DEFAULT now(),
    failures   integer NOT NULL DEFAULT 0,
    not_before timestamptz,
    answer     text,
    answered_at timestamptz
);
COMMENT ON TABLE notice_channel IS 'Where notifications go: a URL with its secrets, sealed.';
COMMENT ON COLUMN notice_channel.shown IS 'The URL without its secrets, for people.';
COMMENT ON COLUMN notice_channel.master IS 'Which master key sealed it, by its fingerprint.';
COMMENT ON COLUMN notice_channel.failures IS 'Attempts since the last that went well.';
COMMENT ON COLUMN notice_channel.not_before IS 'While it fails: when it is tried again.';
COMMENT ON COLUMN notice_channel.answer IS 'What the other side said last.';

CREATE TABLE notice_rule (
    name       text PRIMARY KEY CHECK (name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$'),
    channel    text NOT NULL REFERENCES notice_channel (name),
    enabled    boolean NOT NULL,
    events     text[] NOT NULL,
    document   jsonb NOT NULL,
    author     text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    changed_at timestamptz NOT NULL DEFAULT now(),
    told_at    timestamptz,
    more       bigint NOT NULL DEFAULT 0
);
COMMENT ON TABLE notice_rule IS 'What is told to which channel, as a document of store/notices/rules.py.';
COMMENT ON COLUMN notice_rule.events IS 'The names of the events that it is about, as LIKE takes them.';
COMMENT ON COLUMN notice_rule.told_at IS 'When it spoke last.';
COMMENT ON COLUMN notice_rule.more IS 'Events that are only counted, as too many waited; the next message says so.';

CREATE TABLE notice_event (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    received_at timestamptz NOT NULL,
    at          timestamptz NOT NULL,
    device_id   integer,
    meter_id    integer,
    event       text NOT NULL,
    severity    text NOT NULL,
    detail      jsonb NOT NULL
);
COMMENT ON TABLE notice_event IS 'Events that some rule is about, from their transaction until the rules have taken them.';
CREATE SEQUENCE notice_missed;
COMMENT ON SEQUENCE notice_missed IS 'Counts events that no rule was given, as 100 000 waited and no worker took them.';

CREATE TABLE notice_found (
    rule     text NOT NULL REFERENCES notice_rule (name) ON DELETE CASCADE,
    subject  text NOT NULL,
    device   text,
    meter    text,
    severity text NOT NULL,
    since    timestamptz NOT NULL,
    value    double precision,
    detail   text NOT NULL,
    lasting  boolean NOT NULL,
    found_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    told_at  timestamptz,
    over_at  timestamptz,
    PRIMARY KEY (rule, subject)
);
COMMENT ON TABLE notice_found IS 'What a rule has found: events until they are told, and states (lasting) until it is told that they are over.';
COMMENT ON COLUMN notice_found.subject IS 'What it is the same by: of an event its number, of a state the device or meter.';

CREATE TABLE notice_delivery (
    id          uuid PRIMARY KEY,
    rule        text,
    channel     text NOT NULL REFERENCES notice_channel (name) ON DELETE CASCADE,
    made_at     timestamptz NOT NULL DEFAULT now(),
    event       jsonb NOT NULL,
    title       text NOT NULL,
    text        text NOT NULL,
    state       text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'sent', 'dead')),
    tries_left  integer NOT NULL,
    tries       integer NOT NULL DEFAULT 0,
    taken_until timestamptz,
    answer      text,
    changed_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX notice_delivery_waiting ON notice_delivery (channel, made_at) WHERE state = 'waiting';
CREATE INDEX notice_delivery_ended ON notice_delivery (state, changed_at) WHERE state <> 'waiting';
COMMENT ON TABLE notice_delivery IS 'Messages: each goes out at least once, by the same id; dead ones wait for a person.';
COMMENT ON COLUMN notice_delivery.rule IS 'Null of a test by hand.';
COMMENT ON COLUMN notice_delivery.event IS 'The CloudEvent.';
COMMENT ON COLUMN notice_delivery.taken_until IS 'A worker sends it; behind this time it is taken that it died.';

GRANT SELECT, INSERT, UPDATE, DELETE ON notice_channel, notice_rule, notice_delivery TO wattline_gateway;
GRANT SELECT, DELETE ON notice_found TO wattline_gateway;
GRANT SELECT ON notice_channel, notice_rule TO wattline_ingestor;
GRANT UPDATE (failures, not_before, answer, answered_at) ON notice_channel TO wattline_ingestor;
GRANT UPDATE (told_at, more) ON notice_rule TO wattline_ingestor;
GRANT SELECT, DELETE ON notice_event TO wattline_ingestor;
GRANT SELECT, INSERT, UPDATE, DELETE ON notice_found, notice_delivery TO wattline_ingestor;
GRANT SELECT ON SEQUENCE notice_missed TO wattline_ingestor;
