-- The life of a spec: draft, published, deprecated; which spec reads each meter now; and the meters that wait for one.

CREATE TABLE spec_draft (
    name     text NOT NULL CHECK (name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$'),
    version  integer NOT NULL CHECK (version >= 1),
    document jsonb NOT NULL,
    source   text NOT NULL,
    sha256   text NOT NULL,
    generic  boolean NOT NULL DEFAULT false,
    author   text NOT NULL,
    reason   text,
    saved_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (name, version)
);
COMMENT ON TABLE spec_draft IS 'Specs that are being written; a draft may change until it is published, and then leaves this table.';

ALTER TABLE spec ADD COLUMN reason text;
COMMENT ON COLUMN spec.reason IS 'Why its author published it.';

-- A table of its own, because a row of spec never changes.
CREATE TABLE spec_deprecation (
    name          text NOT NULL,
    version       integer NOT NULL,
    author        text NOT NULL,
    reason        text,
    deprecated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (name, version),
    FOREIGN KEY (name, version) REFERENCES spec (name, version)
);
COMMENT ON TABLE spec_deprecation IS 'Published specs that are given to no meter anew; those that have one keep it until a successor.';

-- What is desired counts more than meter.spec, which keeps the last spec of a meter that has none now.
CREATE VIEW meter_spec AS
SELECT m.id AS meter_id, m.device_id, m.parent_id,
       CASE WHEN t.document -> 'meters' ? coalesce(p.key, m.key)
            THEN t.document #>> ARRAY['meters', coalesce(p.key, m.key), 'spec']
            ELSE m.spec END AS spec
FROM meter m
LEFT JOIN meter p ON p.id = m.parent_id
LEFT JOIN desired t ON t.device_id = m.device_id
WHERE m.removed_at IS NULL;
COMMENT ON VIEW meter_spec IS 'The spec that each meter in place is read by, as name@version; null where it has none.';

CREATE INDEX frame_meter_id ON frame (meter_id, received_at DESC) WHERE kind = 'frame';

CREATE VIEW unknown_meter AS
SELECT m.id AS meter_id, m.key AS meter, d.name AS device, m.protocol, m.manufacturer, m.product, m.serial, m.firmware,
       m.facts, x.spec, m.installed_at, coalesce(f.frames, 0) AS frames, f.first_frame_at, f.last_frame_at
FROM meter_spec x
JOIN meter m ON m.id = x.meter_id
LEFT JOIN device d ON d.id = m.device_id
LEFT JOIN spec s ON s.name || '@' || s.version = x.spec
LEFT JOIN (
    SELECT meter_id, count(*) AS frames, min(received_at) AS first_frame_at, max(received_at) AS last_frame_at
    FROM frame WHERE kind = 'frame' AND meter_id IS NOT NULL
    GROUP BY meter_id
) f ON f.meter_id = m.id
WHERE x.parent_id IS NULL AND (x.spec IS NULL OR s.generic);
COMMENT ON VIEW unknown_meter IS 'Meters without a spec, or that only a generic spec reads, with the raw frames that are kept of them.';

GRANT SELECT, INSERT, UPDATE, DELETE ON spec_draft TO wattline_gateway;
GRANT SELECT, INSERT ON spec_deprecation TO wattline_gateway;
GRANT SELECT ON meter_spec, unknown_meter TO wattline_gateway;
GRANT SELECT ON unknown_meter TO wattline_grafana;
