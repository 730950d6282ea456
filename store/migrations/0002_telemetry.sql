-- What arrives all the time: readings, the ledger of messages, quarantine and events.

-- Columns from wide to narrow, so that no byte goes to padding: a row takes 52 bytes with its line pointer.
-- The unique index makes a repeat change nothing and finds a series' latest and ranges; time alone is the chunk's bounds.
CREATE TABLE reading (
    time      timestamptz NOT NULL,
    value     double precision NOT NULL,
    series_id integer NOT NULL,
    source    smallint NOT NULL
);
-- 10 000 meters with 8 series a minute give 115 million rows a day: 6 GB of rows and 4 GB of index, of which the newest
-- pages must stay in memory. A week in a chunk would not fit; an hour would make 8 760 chunks a year to plan over.
SELECT create_hypertable('reading', by_range('time', INTERVAL '1 day'), create_default_indexes => false);
CREATE UNIQUE INDEX reading_series_id_time ON reading (series_id, time);
COMMENT ON TABLE reading IS 'Values by time and series, in the series'' unit. No foreign key: the ingestor takes series_id from series.';

CREATE TABLE message (
    received_at timestamptz NOT NULL,
    stored_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    newest_at   timestamptz,
    seq         bigint NOT NULL,
    device_id   integer NOT NULL,
    meter_id    integer,
    rows        integer NOT NULL,
    kind        smallint NOT NULL,
    boot        text NOT NULL,
    spec        text
);
-- 10 000 devices that publish every 10 s enter 86 million rows a day. BRIN, because rows come in the order of time and
-- a B-tree would cost each message as much as two more readings do.
SELECT create_hypertable('message', by_range('received_at', INTERVAL '1 day'), create_default_indexes => false);
CREATE INDEX message_received_at ON message USING brin (received_at) WITH (pages_per_range = 32, autosummarize = on);
COMMENT ON TABLE message IS 'The ledger: a row for each delivery of a message of the devices'' common sequence, repeats included.';
COMMENT ON COLUMN message.rows IS 'Values, frames or events that the message carried, stored or quarantined.';
COMMENT ON COLUMN message.newest_at IS 'The newest plausible time in the message, null where there is none.';

CREATE TABLE frame (
    received_at timestamptz NOT NULL,
    id          bigint GENERATED ALWAYS AS IDENTITY,
    device_id   integer,
    meter_id    integer,
    topic       text NOT NULL,
    kind        text NOT NULL CHECK (kind IN ('frame', 'payload')),
    reason      text NOT NULL,
    detail      text,
    port        text,
    protocol    text,
    at          timestamptz,
    hints       jsonb NOT NULL DEFAULT '{}',
    data        bytea NOT NULL,
    delivery    uuid NOT NULL
);
-- Quarantine is small beside readings; it is looked through by week.
SELECT create_hypertable('frame', by_range('received_at', INTERVAL '7 days'));
CREATE INDEX frame_delivery ON frame (delivery);
CREATE INDEX frame_device_id ON frame (device_id, received_at DESC);
COMMENT ON TABLE frame IS 'Quarantine: raw frames from devices (kind frame) and payloads or values the contract refuses (kind payload).';
COMMENT ON COLUMN frame.delivery IS 'Hash that names one delivery, so that the same one given again is not entered twice.';

CREATE TABLE event (
    received_at timestamptz NOT NULL,
    at          timestamptz NOT NULL,
    device_id   integer,
    meter_id    integer,
    source      text NOT NULL CHECK (source IN ('device', 'ingestor', 'gateway')),
    event       text NOT NULL,
    severity    text NOT NULL CHECK (severity IN ('info', 'warning', 'error')),
    boot        text,
    seq         bigint,
    detail      jsonb NOT NULL DEFAULT '{}'
);
SELECT create_hypertable('event', by_range('received_at', INTERVAL '7 days'));
CREATE INDEX event_device_id ON event (device_id, boot, seq);
COMMENT ON TABLE event IS 'Diagnostics of devices and of the services themselves.';
