-- Whose a meter is: meter.device_id says so now, meter_move when it changed, meter_claim who else says that it stands at his port.

CREATE TABLE meter_move (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    meter_id       integer NOT NULL REFERENCES meter (id),
    from_device_id integer NOT NULL REFERENCES device (id),
    to_device_id   integer NOT NULL REFERENCES device (id),
    at             timestamptz NOT NULL,
    from_at        timestamptz NOT NULL CHECK (from_at <= at),
    decided_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    why            text NOT NULL DEFAULT 'registered' CHECK (why IN ('registered', 'given_up', 'silent', 'person')),
    author         text NOT NULL DEFAULT 'system',
    retry_at       timestamptz DEFAULT now(),
    retries_left   smallint NOT NULL DEFAULT 2
);
CREATE INDEX meter_move_meter_id ON meter_move (meter_id, id);
CREATE INDEX meter_move_retry_at ON meter_move (retry_at) WHERE retry_at IS NOT NULL;
COMMENT ON TABLE meter_move IS 'Each time that a meter went from one device to another: what was read before `at` is the one''s, the rest the other''s.';
COMMENT ON COLUMN meter_move.from_at IS 'The other''s readings count from then on, as the meter''s clock may be slow: never before what the one has told.';
COMMENT ON COLUMN meter_move.why IS 'given_up: the one no longer showed it; silent: nothing of it came from the one; person: author said so; registered: an older gateway.';
COMMENT ON COLUMN meter_move.retry_at IS 'When to take in again what the new device sent while it waited; null once that is done.';
COMMENT ON COLUMN meter_move.retries_left IS 'How often yet: what an ingestor judged just before the move may reach quarantine just after it.';

CREATE TABLE meter_claim (
    meter_id    integer NOT NULL REFERENCES meter (id),
    device_id   integer NOT NULL REFERENCES device (id),
    since       timestamptz NOT NULL,
    claimed_at  timestamptz NOT NULL,
    seen_at     timestamptz NOT NULL,
    shown       boolean NOT NULL DEFAULT true,
    disputed_at timestamptz,
    refused_at  timestamptz,
    refused_by  text,
    check_at    timestamptz NOT NULL DEFAULT now(),
    told_at     timestamptz,
    PRIMARY KEY (meter_id, device_id)
);
CREATE INDEX meter_claim_device_id ON meter_claim (device_id);
CREATE INDEX meter_claim_check_at ON meter_claim (check_at) WHERE shown AND refused_at IS NULL;
COMMENT ON TABLE meter_claim IS 'Devices that register a meter which stands at another device''s port: they wait until that one is silent, gives it up, or a person decides.';
COMMENT ON COLUMN meter_claim.since IS 'Since when the device says that it hears the meter; claimed_at: since when we know that.';
COMMENT ON COLUMN meter_claim.shown IS 'Whether its newest registration shows the meter.';
COMMENT ON COLUMN meter_claim.disputed_at IS 'When it was found that the owner had read the meter after the claim: then it takes a longer silence. It stays so, also where the claim is made anew.';

-- The moves of before, as the stays tell them.
INSERT INTO meter_move (meter_id, from_device_id, to_device_id, at, from_at, decided_at, retry_at)
SELECT meter_id, before, device_id, installed_at, installed_at, changed_at, NULL
FROM (
    SELECT s.id, s.meter_id, s.installed_at, s.changed_at, p.device_id,
           lag(p.device_id) OVER (PARTITION BY s.meter_id ORDER BY s.installed_at, s.id) AS before
    FROM meter_stay s
    JOIN point p ON p.id = s.point_id
) stays
WHERE before <> device_id
ORDER BY changed_at, id;

GRANT SELECT, INSERT, UPDATE ON meter_move TO wattline_gateway;
GRANT SELECT, INSERT, UPDATE, DELETE ON meter_claim TO wattline_gateway;
GRANT SELECT ON meter_move TO wattline_ingestor;
