-- Devices and meters, where they stand and stood.

CREATE OR REPLACE FUNCTION point_name(device text, port text, channel text, slot integer) RETURNS text
LANGUAGE sql IMMUTABLE
RETURN device || '/' || regexp_replace(port, '^/dev/', '') || CASE WHEN slot > 1 THEN '#' || slot ELSE '' END
       || CASE WHEN channel <> '' THEN '/' || channel ELSE '' END;
COMMENT ON FUNCTION point_name IS 'What a point of delivery is called until an engineer renames it.';

-- A meter's clock may differ from its device's by a quarter of an hour. Before a meter's first stay it stood there too, as far as
-- anybody knows, unless it followed another.
CREATE OR REPLACE VIEW stay_span AS
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

CREATE OR REPLACE VIEW series_register AS
SELECT s.id AS series_id, g.stay_id, g.kind, g.value, g.at, g.read_by
FROM meter_register g
JOIN series s ON s.meter_id = g.meter_id AND s.obis = g.obis AND s.unit = g.unit;
COMMENT ON VIEW series_register IS 'Opening and closing registers by series.';

-- All of time, by where the meter stood; a register that somebody read bounds its stay, and the rest is no stay's.
CREATE OR REPLACE VIEW series_part AS
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

CREATE OR REPLACE FUNCTION stay_registers(stay integer, which text) RETURNS jsonb
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
               'obis', obis, 'unit', unit, 'value', value, 'at', at, 'read_by', read_by)) ORDER BY obis, unit), '[]')
    FROM meter_register WHERE stay_id = stay AND kind = which;
END;
COMMENT ON FUNCTION stay_registers IS 'Opening or closing registers of a stay as a list of obis, unit, value, at and, where somebody did, read_by.';

CREATE OR REPLACE VIEW meter_swap AS
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

CREATE OR REPLACE VIEW point_overview AS
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

CREATE OR REPLACE VIEW device_overview AS
SELECT d.id AS device_id, d.name AS device, d.online, d.status_at, d.first_seen_at, d.last_seen_at, d.boot, d.software,
       d.registered_at, coalesce(c.meters, 0) AS meters, t.version AS desired_version, r.version AS reported_version,
       r.state AS reported_state, r.at AS reported_at,
       coalesce(w.seen_at > now() - interval '1 hour', false) AS duplicated, w.seen_at AS duplicate_seen_at,
       coalesce((SELECT bool_and(k.revoked_at IS NOT NULL) FROM credential k WHERE k.device = d.name), false) AS revoked
FROM device d
LEFT JOIN (SELECT device_id, count(*) AS meters FROM meter WHERE removed_at IS NULL GROUP BY device_id) c
       ON c.device_id = d.id
LEFT JOIN desired t ON t.device_id = d.id
LEFT JOIN reported r ON r.device_id = d.id
LEFT JOIN device_twin w ON w.device_id = d.id;
COMMENT ON VIEW device_overview IS 'Each device with its state, its number of meters, how its configuration stands, whether two agents use its id, and whether all of its logins are revoked.';
