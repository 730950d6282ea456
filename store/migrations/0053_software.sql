-- Which software each device is to run, as its retained message says it, and what became of it.

CREATE TABLE software_desired (
    device_id     integer PRIMARY KEY REFERENCES device (id),
    version       bigint NOT NULL CHECK (version >= 1),
    document      jsonb,
    author        text NOT NULL,
    published_at  timestamptz NOT NULL DEFAULT now(),
    announced     bigint,
    claimed_by    text,
    claimed_until timestamptz
);
COMMENT ON TABLE software_desired IS 'Which software each device is to run; the retained message is its image.';
COMMENT ON COLUMN software_desired.document IS 'Null where nothing is desired any more: the broker then holds no message.';
COMMENT ON COLUMN software_desired.announced IS 'The version that the broker acknowledged; another than version waits to be published.';
COMMENT ON COLUMN software_desired.claimed_by IS 'The gateway that is publishing it, by its client id.';
COMMENT ON COLUMN software_desired.claimed_until IS 'When others may publish it, where that gateway has not let go of it.';
CREATE INDEX software_desired_unannounced ON software_desired (published_at) WHERE announced IS DISTINCT FROM version;
GRANT SELECT, INSERT, UPDATE, DELETE ON software_desired TO wattline_gateway;

CREATE TABLE software_reported (
    device_id   integer PRIMARY KEY REFERENCES device (id),
    version     bigint NOT NULL,
    state       text NOT NULL CHECK (state IN ('refused', 'waiting', 'fetching', 'trial', 'confirmed', 'rolled_back')),
    release     text NOT NULL,
    running     text NOT NULL,
    reasons     jsonb NOT NULL DEFAULT '[]',
    octets      bigint NOT NULL,
    seconds     double precision NOT NULL,
    at          timestamptz NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(),
    since       timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE software_reported IS 'What each device''s updater last said became of the software that it is to run.';
COMMENT ON COLUMN software_reported.running IS 'The release in force.';
COMMENT ON COLUMN software_reported.octets IS 'Fetched for this version.';
COMMENT ON COLUMN software_reported.seconds IS 'From the coming of this version to this state.';
COMMENT ON COLUMN software_reported.since IS 'When this version came into this state, by the platform''s clock.';
GRANT SELECT, INSERT, UPDATE, DELETE ON software_reported TO wattline_gateway;

CREATE TABLE software_history (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    device_id   integer NOT NULL REFERENCES device (id),
    version     bigint NOT NULL,
    state       text NOT NULL,
    release     text NOT NULL,
    running     text NOT NULL,
    reasons     jsonb NOT NULL DEFAULT '[]',
    octets      bigint NOT NULL,
    seconds     double precision NOT NULL,
    at          timestamptz NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE software_history IS 'Each state that software of a device came into, the newest 200 of a device.';
CREATE INDEX software_history_device ON software_history (device_id, id DESC);
GRANT SELECT, INSERT, DELETE ON software_history TO wattline_gateway;

ALTER TABLE parameter_stage_device ADD COLUMN software bigint;
COMMENT ON COLUMN parameter_stage_device.software IS 'The version of the desired software that carried it; null where it changed none for the device.';

CREATE TRIGGER change_new AFTER INSERT ON software_desired
    FOR EACH ROW EXECUTE FUNCTION note_change('software', 'version', 'author');
CREATE TRIGGER change_version AFTER UPDATE OF version ON software_desired
    FOR EACH ROW WHEN (OLD.version <> NEW.version) EXECUTE FUNCTION note_change('software', 'version', 'author');
CREATE TRIGGER change_new AFTER INSERT ON software_reported
    FOR EACH ROW EXECUTE FUNCTION note_change('software', 'version', 'state', 'release', 'running');
CREATE TRIGGER change_state AFTER UPDATE ON software_reported
    FOR EACH ROW WHEN ((OLD.version, OLD.state, OLD.running) IS DISTINCT FROM (NEW.version, NEW.state, NEW.running))
    EXECUTE FUNCTION note_change('software', 'version', 'state', 'release', 'running');
COMMENT ON TABLE change IS 'What happened in the last hour, for live views: devices, desired, reported, events, specs, jobs, commands, stages, software. The gateway trims it.';
