-- Days of which a meter's memory was read: its load profile is compared with its registers, soon after.

CREATE TABLE profile_check (
    meter_id integer NOT NULL,
    day      date NOT NULL CHECK (day >= '2000-01-01' AND day < '2200-01-01'),
    noted_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (meter_id, day)
);
-- each look at it asks first whether anything is due
CREATE INDEX ON profile_check (noted_at);
COMMENT ON TABLE profile_check IS 'Days (UTC) of which intervals of energy came from a meter''s memory, until its load profile was compared with its registers. No foreign key, so that writers lock no meter.';
COMMENT ON COLUMN profile_check.noted_at IS 'When some came last: what is read in slices is compared once all of it is there.';
GRANT SELECT, INSERT, UPDATE, DELETE ON profile_check TO wattline_ingestor;
