-- Points of delivery: where meters stand, which stood there before, and with which registers they came and went.

CREATE FUNCTION point_name(device text, port text, channel text, slot integer) RETURNS text
LANGUAGE sql IMMUTABLE
RETURN device || '/' || regexp_replace(port, '^/dev/', '') || CASE WHEN slot > 1 THEN '#' || slot ELSE '' END
       || CASE WHEN channel <> '' THEN '/' || channel ELSE '' END;
COMMENT ON FUNCTION point_name IS 'What a point of delivery is called until an engineer renames it.';

CREATE TABLE point (
    id         integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name       text NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 1000),
    device_id  integer NOT NULL REFERENCES device (id),
    port       text NOT NULL,
    channel    text NOT NULL DEFAULT '',
    slot       integer NOT NULL DEFAULT 1 CHECK (slot >= 1),
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (device_id, port, channel, slot)
);
COMMENT ON TABLE point IS 'Points of delivery: a port of a device, or an M-Bus channel behind it; meters come and go, the point stays.';
COMMENT ON COLUMN point.channel IS 'The M-Bus channel of a meter behind another, empty for the meter at the port itself.';
COMMENT ON COLUMN point.slot IS 'Meters that share one line have a point each: the first is 1.';

ALTER TABLE meter ADD COLUMN point_id integer REFERENCES point (id);
COMMENT ON COLUMN meter.point_id IS 'The point where it stands, or stood last.';

CREATE TABLE meter_stay (
    id           integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    point_id     integer NOT NULL REFERENCES point (id),
    meter_id     integer NOT NULL REFERENCES meter (id),
    installed_at timestamptz NOT NULL,
    removed_at   timestamptz CHECK (removed_at >= installed_at),
    opened_by    text,
    closed_by    text,
    changed_at   timestamptz NOT NULL DEFAULT now(),
    check_at     timestamptz DEFAULT now(),
    told_at      timestamptz
);
COMMENT ON TABLE meter_stay IS 'When which meter stood at which point; a meter that comes back has another stay.';
COMMENT ON COLUMN meter_stay.opened_by IS 'Boot of the agent whose registration showed the meter there; closed_by: of the one that no longer did.';
COMMENT ON COLUMN meter_stay.changed_at IS 'When the gateway opened or closed it; installed_at and removed_at are the device''s time.';
COMMENT ON COLUMN meter_stay.check_at IS 'When its registers are looked for again: readings may come late. Null: never again.';
COMMENT ON COLUMN meter_stay.told_at IS 'received_at of its event meter_swapped, null where it followed no other meter.';
CREATE UNIQUE INDEX meter_stay_one_place ON meter_stay (meter_id) WHERE removed_at IS NULL;
CREATE UNIQUE INDEX meter_stay_one_meter ON meter_stay (point_id) WHERE removed_at IS NULL;
CREATE INDEX meter_stay_meter_id ON meter_stay (meter_id, installed_at);
CREATE INDEX meter_stay_point_id ON meter_stay (point_id, installed_at);
CREATE INDEX meter_stay_check_at ON meter_stay (check_at) WHERE check_at IS NOT NULL;

CREATE TABLE meter_register (
    stay_id  integer NOT NULL REFERENCES meter_stay (id) ON DELETE CASCADE,
    meter_id integer NOT NULL REFERENCES meter (id),
    point_id integer NOT NULL REFERENCES point (id),
    kind     text NOT NULL CHECK (kind IN ('opening', 'closing')),
    obis     text NOT NULL,
    unit     text NOT NULL,
    value    double precision NOT NULL,
    at       timestamptz NOT NULL,
    read_by  text,
    PRIMARY KEY (stay_id, kind, obis, unit)
);
COMMENT ON TABLE meter_register IS 'The first and the last reading of each register of a stay; readings that come late correct them.';
COMMENT ON COLUMN meter_register.read_by IS 'Who read it from the meter at the swap: the stay begins or ends with it. Null: the nearest reading.';
CREATE INDEX meter_register_point_id ON meter_register (point_id);
CREATE INDEX meter_register_meter_id ON meter_register (meter_id);

-- A meter's clock may differ from its device's by a quarter of an hour. Before a meter's first stay it stood there too, as far as
-- anybody knows, unless it followed another.
CREATE VIEW stay_span AS
SELECT s.id AS stay_id, s.meter_id, s.point_id, s.installed_at, s.removed_at,
       CASE WHEN b.left_at IS NOT NULL OR EXISTS (
                SELECT FROM meter_stay o WHERE o.point_id = s.point_id AND (o.installed_at, o.id) < (s.installed_at, s.id))
            THEN greatest(s.installed_at - interval '15 minutes', b.left_at) ELSE '-infinity' END AS from_at,
       CASE WHEN a.comes_at IS NULL THEN 'infinity' ELSE greatest(a.comes_at - interval '15 minutes', s.removed_at) END AS until_at
FROM meter_stay s
CROSS JOIN LATERAL (
    SELECT max(o.removed_at) AS left_at FROM meter_stay o
    WHERE o.meter_id = s.meter_id AND o.id <> s.id AND o.removed_at <= s.installed_at
) b
CROSS JOIN LATERAL (
    SELECT min(o.installed_at) AS comes_at FROM meter_stay o
    WHERE o.meter_id = s.meter_id AND o.id <> s.id AND o.installed_at >= s.removed_at
) a;
COMMENT ON VIEW stay_span IS 'From when until when the readings of a meter are of which stay.';

CREATE VIEW series_register AS
SELECT s.id AS series_id, g.stay_id, g.kind, g.value, g.at, g.read_by
FROM meter_register g
JOIN series s ON s.meter_id = g.meter_id AND s.obis = g.obis AND s.unit = g.unit;
COMMENT ON VIEW series_register IS 'Opening and closing registers by series.';

-- All of time, by where the meter stood; a register that somebody read bounds its stay, and the rest is no stay's.
CREATE VIEW series_part AS
SELECT c.series_id, p.stay_id, p.point_id, p.from_at, p.until_at
FROM (
    SELECT h.*, lag(h.until_at) OVER w AS before, lead(h.from_at) OVER w AS after
    FROM (
        SELECT s.id AS series_id, t.stay_id, t.point_id, coalesce(o.at, t.from_at) AS from_at,
               least(t.until_at, c.at + interval '1 microsecond') AS until_at
        FROM series s
        JOIN stay_span t ON t.meter_id = s.meter_id
        LEFT JOIN series_register o ON o.series_id = s.id AND o.stay_id = t.stay_id AND o.kind = 'opening' AND o.read_by IS NOT NULL
        LEFT JOIN series_register c ON c.series_id = s.id AND c.stay_id = t.stay_id AND c.kind = 'closing' AND c.read_by IS NOT NULL
        WHERE s.kind = 'register'
    ) h
    WINDOW w AS (PARTITION BY h.series_id ORDER BY h.from_at, h.stay_id)
) c
CROSS JOIN LATERAL (
    VALUES (c.stay_id, c.point_id, c.from_at, least(c.until_at, c.after)),
           (NULL, NULL, coalesce(c.before, '-infinity'), c.from_at),
           (NULL, NULL, CASE WHEN c.after IS NULL THEN c.until_at END, 'infinity')
) p (stay_id, point_id, from_at, until_at)
WHERE p.from_at < p.until_at;
COMMENT ON VIEW series_part IS 'Of each register, from when until when it stood at which point; stay_id is null where at none.';

CREATE TABLE device_boot (
    device_id          integer NOT NULL REFERENCES device (id),
    boot               text NOT NULL,
    first_at           timestamptz NOT NULL,
    last_at            timestamptz NOT NULL,
    last_registered_at timestamptz NOT NULL,
    hardware_serial    text,
    hardware_model     text,
    software           text,
    PRIMARY KEY (device_id, boot)
);
COMMENT ON TABLE device_boot IS 'The starts of each device''s agent that have registered lately; first_at and last_at are its own time.';

CREATE TABLE device_twin (
    device_id    integer PRIMARY KEY REFERENCES device (id),
    since        timestamptz NOT NULL,
    seen_at      timestamptz NOT NULL,
    told_at      timestamptz,
    alternations integer NOT NULL DEFAULT 1,
    boots        jsonb NOT NULL
);
COMMENT ON TABLE device_twin IS 'Devices whose id two agents use at once: an earlier boot registered again after a later one.';

-- What is there already gets its point and its stay; meters that share a port now get a slot each.
CREATE TEMPORARY TABLE placed ON COMMIT DROP AS
SELECT m.id AS meter_id, m.device_id, d.name AS device, m.port,
       CASE WHEN m.parent_id IS NULL THEN '' ELSE coalesce(m.facts ->> 'channel', m.key) END AS channel,
       CASE WHEN m.removed_at IS NOT NULL THEN 1
            ELSE row_number() OVER (
                PARTITION BY m.removed_at IS NULL, m.device_id, m.port, m.parent_id IS NULL, m.facts ->> 'channel'
                ORDER BY m.installed_at, m.id) END::integer AS slot,
       coalesce(m.installed_at, m.removed_at, now()) AS installed_at, m.removed_at
FROM meter m
JOIN device d ON d.id = m.device_id
WHERE m.port IS NOT NULL;

INSERT INTO point (name, device_id, port, channel, slot)
SELECT DISTINCT point_name(device, port, channel, slot), device_id, port, channel, slot FROM placed;

INSERT INTO meter_stay (point_id, meter_id, installed_at, removed_at)
SELECT p.id, x.meter_id, least(x.installed_at, x.removed_at), x.removed_at
FROM placed x
JOIN point p ON p.device_id = x.device_id AND p.port = x.port AND p.channel = x.channel AND p.slot = x.slot
ORDER BY x.installed_at, x.meter_id;

UPDATE meter SET point_id = s.point_id FROM meter_stay s WHERE s.meter_id = meter.id;

CREATE FUNCTION stay_registers(stay integer, which text) RETURNS jsonb
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
               'obis', obis, 'unit', unit, 'value', value, 'at', at, 'read_by', read_by)) ORDER BY obis, unit), '[]')
    FROM meter_register WHERE stay_id = stay AND kind = which;
END;
COMMENT ON FUNCTION stay_registers IS 'Opening or closing registers of a stay as a list of obis, unit, value, at and, where somebody did, read_by.';

CREATE VIEW meter_swap AS
SELECT n.id AS stay_id, n.point_id, p.name AS point, d.name AS device, n.installed_at AS at, a.key AS old_meter, b.key AS new_meter,
       stay_registers(o.id, 'closing') AS closing, stay_registers(n.id, 'opening') AS opening, o.id AS old_stay_id,
       o.removed_at AS old_removed_at
FROM meter_stay n
JOIN point p ON p.id = n.point_id
JOIN device d ON d.id = p.device_id
JOIN LATERAL (
    SELECT e.* FROM meter_stay e
    WHERE e.point_id = n.point_id AND (e.installed_at, e.id) < (n.installed_at, n.id)
    ORDER BY e.installed_at DESC, e.id DESC
    LIMIT 1
) o ON o.meter_id <> n.meter_id
JOIN meter a ON a.id = o.meter_id
JOIN meter b ON b.id = n.meter_id;
COMMENT ON VIEW meter_swap IS 'Each time that a meter followed another at a point, with the closing registers of one and the opening ones of the other.';

CREATE VIEW point_overview AS
SELECT p.id AS point_id, p.name AS point, d.name AS device, p.port, p.channel, p.slot, m.key AS meter, s.installed_at AS since,
       o.key AS previous_meter, CASE WHEN o.key IS NOT NULL THEN coalesce(s.installed_at, o.removed_at) END AS swapped_at, d.online
FROM point p
JOIN device d ON d.id = p.device_id
LEFT JOIN meter_stay s ON s.point_id = p.id AND s.removed_at IS NULL
LEFT JOIN meter m ON m.id = s.meter_id
LEFT JOIN LATERAL (
    SELECT x.key, e.removed_at
    FROM meter_stay e
    JOIN meter x ON x.id = e.meter_id
    WHERE e.point_id = p.id AND e.removed_at IS NOT NULL AND e.meter_id IS DISTINCT FROM s.meter_id
    ORDER BY e.installed_at DESC, e.id DESC
    LIMIT 1
) o ON true;
COMMENT ON VIEW point_overview IS 'Each point with the meter that stands there, since when, and the one before; swapped_at is null where there was none.';

-- Wrapped as it stands, because other migrations add columns of their own.
DO $$
BEGIN
    EXECUTE format(
        'CREATE OR REPLACE VIEW device_overview AS
         SELECT v.*, coalesce(t.seen_at > now() - interval ''1 hour'', false) AS duplicated, t.seen_at AS duplicate_seen_at
         FROM (%s) v
         LEFT JOIN device_twin t ON t.device_id = v.device_id',
        rtrim(pg_get_viewdef('device_overview'::regclass), '; 
'));
END
$$;
COMMENT ON VIEW device_overview IS 'Each device with its state, its number of meters, how its configuration stands, and whether two agents use its id.';

GRANT SELECT, INSERT, UPDATE ON point, meter_stay, device_boot, device_twin TO wattline_gateway;
GRANT SELECT, INSERT, UPDATE, DELETE ON meter_register TO wattline_gateway;
GRANT DELETE ON device_boot TO wattline_gateway;
-- the registers of a swap come after its event
GRANT UPDATE (detail) ON event TO wattline_gateway;
GRANT SELECT ON point, meter_stay, meter_register TO wattline_ingestor, wattline_grafana;
GRANT SELECT ON point_overview, meter_swap, stay_span, series_register, series_part TO wattline_gateway, wattline_grafana, wattline_ingestor;
