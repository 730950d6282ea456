-- Table desired is the outbox of the broker: what is not announced waits to be published, by whichever gateway claims it.
-- A claim ends by itself, for its gateway may die; and no other publishes the device meanwhile, so that no version that is
-- on its way comes after its successor.
ALTER TABLE desired ADD COLUMN claimed_by text, ADD COLUMN claimed_until timestamptz;
COMMENT ON COLUMN desired.claimed_by IS 'The gateway that is publishing it, by its client id.';
COMMENT ON COLUMN desired.claimed_until IS 'When others may publish it, where that gateway has not let go of it.';
