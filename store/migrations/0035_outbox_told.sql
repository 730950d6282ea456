-- What a device's status tells of its outbox. Nobody else can know what the broker has taken and the store has not.
ALTER TABLE device
    ADD COLUMN outbox_at timestamptz,
    ADD COLUMN outbox_waiting bigint,
    ADD COLUMN outbox_waiting_for_s double precision,
    ADD COLUMN outbox_unconfirmed bigint,
    ADD COLUMN outbox_unconfirmed_for_s double precision;
COMMENT ON COLUMN device.outbox_at IS 'When the device told the figures beside this, by its own clock; null where it never did.';
COMMENT ON COLUMN device.outbox_waiting IS 'Messages that the broker did not have.';
COMMENT ON COLUMN device.outbox_unconfirmed IS 'Messages that the broker had and the store had not confirmed.';
GRANT UPDATE (outbox_at, outbox_waiting, outbox_waiting_for_s, outbox_unconfirmed, outbox_unconfirmed_for_s) ON device TO wattline_ingestor;
