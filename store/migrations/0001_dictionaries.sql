-- Who and what is measured: devices, meters and the narrow dictionary that readings point into.

CREATE TABLE device (
    id            integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name          text NOT NULL UNIQUE CHECK (name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$'),
    first_seen_at timestamptz NOT NULL DEFAULT now(),
    last_seen_at  timestamptz,
    online        boolean,
    status_at     timestamptz,
    boot          text,
    software      text,
    registration  jsonb,
    registered_at timestamptz
) WITH (fillfactor = 70);  -- last_seen_at changes often: room on the page keeps those updates off the indexes
COMMENT ON TABLE device IS 'Devices by their MQTT name; a device appears with its first message or registration.';
COMMENT ON COLUMN device.status_at IS 'When the status last changed, in the device''s own time (Status.since).';
COMMENT ON COLUMN device.last_seen_at IS 'Receive time of its last stored message, brought up to date about twice a minute.';

CREATE TABLE meter (
    id           integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key          text NOT NULL UNIQUE CHECK (key ~ '^[!-~]{1,96}$'),
    device_id    integer REFERENCES device (id),
    parent_id    integer REFERENCES meter (id),
    manufacturer text,
    product      text,
    serial       text,
    firmware     text,
    protocol     text,
    port         text,
    spec         text,
    facts        jsonb NOT NULL DEFAULT '{}',
    installed_at timestamptz,
    removed_at   timestamptz
);
COMMENT ON TABLE meter IS 'Physical meters by key (FLAG:serial); a swapped meter gets removed_at and the new one a row of its own.';
COMMENT ON COLUMN meter.spec IS 'The spec in use, as name@version.';
CREATE INDEX meter_device_id ON meter (device_id);

CREATE TABLE series (
    id       integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    meter_id integer NOT NULL REFERENCES meter (id),
    obis     text NOT NULL,
    unit     text NOT NULL,
    kind     text NOT NULL,
    UNIQUE (meter_id, obis, unit)
);
COMMENT ON TABLE series IS 'One measured quantity of one meter; unit is canonical and empty for dimensionless codes.';
COMMENT ON COLUMN series.kind IS 'register, instantaneous, interval, maximum, counter, status, or unknown where the catalogue has no such code.';

CREATE TABLE reading_source (
    id     smallint PRIMARY KEY,
    source text NOT NULL,
    clock  text NOT NULL,
    UNIQUE (source, clock)
);
COMMENT ON TABLE reading_source IS 'What reading.source says: where a reading came from, and which clock its time is from.';
INSERT INTO reading_source (id, source, clock) VALUES
    (0, 'live', 'synced'), (1, 'backfill', 'synced'), (2, 'profile', 'synced'), (3, 'redecoded', 'synced'),
    (4, 'live', 'meter'), (5, 'backfill', 'meter'), (6, 'profile', 'meter'), (7, 'redecoded', 'meter'),
    (8, 'live', 'unsynced'), (9, 'backfill', 'unsynced'), (10, 'profile', 'unsynced'), (11, 'redecoded', 'unsynced');

CREATE TABLE message_kind (
    id   smallint PRIMARY KEY,
    kind text NOT NULL UNIQUE
);
COMMENT ON TABLE message_kind IS 'What message.kind says, by the names of the contract.';
INSERT INTO message_kind (id, kind) VALUES (1, 'readings'), (2, 'frames'), (3, 'events');
