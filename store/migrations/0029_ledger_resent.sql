-- What a device sends again until the store confirms it, and how far it says that an earlier boot had got.

ALTER TABLE message ADD COLUMN resent integer;
COMMENT ON COLUMN message.resent IS 'How often it was sent before without a receipt of the store; null where it says nothing of it.';
ALTER TABLE ledger_late ADD COLUMN resent integer;

CREATE OR REPLACE VIEW ledger AS
SELECT e.received_at, e.stored_at, e.newest_at, k.kind, d.name AS device, m.key AS meter, e.rows, e.boot, e.seq, e.spec, e.resent
FROM message e
LEFT JOIN message_kind k ON k.id = e.kind
LEFT JOIN device d ON d.id = e.device_id
LEFT JOIN meter m ON m.id = e.meter_id;

ALTER TABLE ledger_5m
    ADD COLUMN healed bigint NOT NULL DEFAULT 0, ADD COLUMN resent bigint NOT NULL DEFAULT 0, ADD COLUMN implausible bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN ledger_5m.healed IS 'Of the late ones those that the device had sent again for want of a receipt: holes that it closed.';
COMMENT ON COLUMN ledger_5m.resent IS 'Deliveries of messages that the device sent again, whether they were missing or not.';
COMMENT ON COLUMN ledger_5m.implausible IS 'Deliveries by whose number or boot nothing is reckoned, as it can not be right: see ledger_limit().';
ALTER TABLE ledger_1h
    ADD COLUMN healed bigint NOT NULL DEFAULT 0, ADD COLUMN resent bigint NOT NULL DEFAULT 0, ADD COLUMN implausible bigint NOT NULL DEFAULT 0;

-- Null for a boot that was heard before these were counted.
ALTER TABLE ledger_boot
    ADD COLUMN first_at timestamptz, ADD COLUMN deliveries bigint, ADD COLUMN repeated bigint, ADD COLUMN late bigint,
    ADD COLUMN healed bigint, ADD COLUMN resent bigint;
COMMENT ON TABLE ledger_boot IS 'The highest number of each boot that was folded in or told of, and its deliveries.';
COMMENT ON COLUMN ledger_boot.first_at IS 'Receipt of the first delivery; of what told of it where nothing of it has come.';

CREATE TABLE ledger_boot_end (
    device_id integer NOT NULL,
    boot      text NOT NULL,
    seq       bigint NOT NULL,
    told_at   timestamptz NOT NULL,
    folded    boolean NOT NULL DEFAULT false,
    PRIMARY KEY (device_id, boot)
);
CREATE INDEX ledger_boot_end_told_at ON ledger_boot_end (told_at);
CREATE INDEX ledger_boot_end_due ON ledger_boot_end (told_at) WHERE NOT folded;
COMMENT ON TABLE ledger_boot_end IS 'The last number of a boot, as the device''s next one told; what had not come by then is a hole.';
GRANT SELECT, INSERT, UPDATE ON ledger_boot_end TO wattline_ingestor;

CREATE TABLE ledger_skipped (
    at        timestamptz NOT NULL DEFAULT now(),
    device_id integer NOT NULL,
    since     timestamptz NOT NULL,
    until     timestamptz NOT NULL,
    error     text NOT NULL
);
CREATE INDEX ledger_skipped_at ON ledger_skipped (at);
COMMENT ON TABLE ledger_skipped IS 'Deliveries of a device that could not be summed up, and were left out so that all others are.';
