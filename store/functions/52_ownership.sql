-- Whose a meter is, who else claims it, and when it was last heard.

-- Whoever writes meter.device_id, a gateway of the version before or a person, leaves the row by which ingestors know. They read moves by
-- their numbers, which must rise in the order of commits: who moves meters has the lock of configuration, which a gateway has already.
CREATE OR REPLACE FUNCTION order_meter_moves() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('wattline.config', 0));
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER meter_moves_ordered BEFORE UPDATE OF device_id ON meter
    FOR EACH STATEMENT EXECUTE FUNCTION order_meter_moves();

-- Who leaves installed_at as it was tells nothing of when: then it is now, and the history stays whose it is. What was nobody's is whose it
-- becomes: ingestors of before 0050 read that of from_at, from which on they believe the next one.
CREATE OR REPLACE FUNCTION note_meter_move() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    since timestamptz := greatest(
        CASE WHEN NEW.installed_at IS DISTINCT FROM OLD.installed_at THEN coalesce(NEW.installed_at, now()) ELSE now() END,
        (SELECT max(at) FROM meter_move WHERE meter_id = NEW.id));
    believed timestamptz := CASE WHEN OLD.device_id IS NOT NULL THEN since ELSE coalesce(
        (SELECT from_at FROM meter_move WHERE meter_id = NEW.id ORDER BY id DESC LIMIT 1), '0001-01-01Z') END;
BEGIN
    INSERT INTO meter_move (meter_id, from_device_id, to_device_id, at, from_at, retry_at)
    VALUES (NEW.id, OLD.device_id, NEW.device_id, since, believed, CASE WHEN NEW.device_id IS NOT NULL THEN now() END);
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER meter_moved AFTER UPDATE OF device_id ON meter
    FOR EACH ROW WHEN (OLD.device_id IS DISTINCT FROM NEW.device_id) EXECUTE FUNCTION note_meter_move();

-- Only its owner's word counts: readings and frames of others are in quarantine. Times ahead of ours are no sign of now.
CREATE OR REPLACE FUNCTION meter_heard(meters integer[])
RETURNS TABLE (meter_id integer, read_at timestamptz, heard_at timestamptz, cadence_s double precision)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    WITH newest AS MATERIALIZED (
        SELECT m.id, m.parent_id, r.series_id, r.time, greatest(r.time, f.taken_at) AS read_at,
               greatest(r.time, f.received_at, s.stood_at, v.decided_at, CASE WHEN s.stood_at IS NULL THEN m.installed_at END)
                   AS heard_at
        FROM meter m
        LEFT JOIN LATERAL (
            SELECT x.id AS series_id, l.time
            FROM series x
            CROSS JOIN LATERAL (
                SELECT time FROM reading WHERE reading.series_id = x.id AND time <= now() ORDER BY time DESC LIMIT 1
            ) l
            WHERE x.meter_id = m.id
            ORDER BY l.time DESC, x.id
            LIMIT 1
        ) r ON true
        LEFT JOIN LATERAL (
            SELECT received_at, least(now(), at, received_at) AS taken_at FROM frame WHERE frame.meter_id = m.id AND kind = 'frame' ORDER BY received_at DESC LIMIT 1
        ) f ON true
        LEFT JOIN LATERAL (
            SELECT least(now(), installed_at) AS stood_at FROM meter_stay WHERE meter_stay.meter_id = m.id AND removed_at IS NULL
        ) s ON true
        LEFT JOIN LATERAL (
            SELECT decided_at FROM meter_move WHERE meter_move.meter_id = m.id ORDER BY id DESC LIMIT 1
        ) v ON true
        WHERE m.id = ANY (meters)
    )
    SELECT n.id, n.read_at, n.heard_at, coalesce(c.cadence_s, t.cadence_s, CASE WHEN n.parent_id IS NULL THEN 0 ELSE 86400 END)
    FROM newest n
    LEFT JOIN series_cadence(
        ARRAY(SELECT series_id FROM newest WHERE series_id IS NOT NULL ORDER BY series_id),
        ARRAY(SELECT time FROM newest WHERE series_id IS NOT NULL ORDER BY series_id)) c ON c.series_id = n.series_id
    LEFT JOIN meter_stated_cadence t ON t.meter_id = n.id
$$;
COMMENT ON FUNCTION meter_heard IS
    'The newest that each of these meters'' owner told of it (read_at), when the meter last showed that it stands there (heard_at), and its usual distance of readings.';

-- By the ledger, as an outbox that drains tells of long ago; and who was cut by a quota has told, too, though nobody kept what.
CREATE OR REPLACE FUNCTION meter_spoken_of(meters integer[], devices integer[], times timestamptz[]) RETURNS SETOF integer
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
    SELECT DISTINCT e.meter_id
    FROM message e
    JOIN unnest(meters, devices, times) AS w (meter_id, device_id, since) ON (w.meter_id, w.device_id) = (e.meter_id, e.device_id)
    WHERE e.received_at >= w.since AND e.received_at >= (SELECT min(t) FROM unnest(times) t) AND e.kind IN (1, 2)
    UNION
    SELECT w.meter_id
    FROM unnest(meters, devices, times) AS w (meter_id, device_id, since)
    JOIN quota_day q ON q.device_id = w.device_id
    WHERE q.cut_at >= w.since AND q.day >= (w.since AT TIME ZONE 'UTC')::date - 1
$$;
COMMENT ON FUNCTION meter_spoken_of IS 'Of these meters those of which the device beside each has sent readings or frames since the time beside it, or of whose messages any were cut.';

CREATE OR REPLACE VIEW meter_claim_overview AS
SELECT m.key AS meter, o.name AS owner, d.name AS device, c.since, c.claimed_at, c.seen_at,
       CASE WHEN c.refused_at IS NOT NULL THEN 'refused' WHEN NOT c.shown THEN 'withdrawn'
            WHEN c.disputed_at IS NOT NULL THEN 'disputed' ELSE 'waiting' END AS state,
       c.disputed_at, c.refused_at, c.refused_by, c.meter_id, c.device_id
FROM meter_claim c
JOIN meter m ON m.id = c.meter_id
JOIN device d ON d.id = c.device_id
LEFT JOIN device o ON o.id = m.device_id;
COMMENT ON VIEW meter_claim_overview IS 'Who claims a meter that stands at another device, and how that stands.';

CREATE OR REPLACE VIEW meter_move_overview AS
SELECT m.key AS meter, f.name AS from_device, t.name AS to_device, v.at, v.decided_at, v.why, v.author, v.id, v.meter_id
FROM meter_move v
JOIN meter m ON m.id = v.meter_id
LEFT JOIN device f ON f.id = v.from_device_id
LEFT JOIN device t ON t.id = v.to_device_id;
COMMENT ON VIEW meter_move_overview IS 'Which meter went from which device to which, null where nobody''s, from when on, why, and by whose word.';

REVOKE EXECUTE ON FUNCTION meter_heard, meter_spoken_of FROM PUBLIC;
GRANT EXECUTE ON FUNCTION meter_heard, meter_spoken_of TO wattline_gateway;
GRANT SELECT ON meter_claim_overview, meter_move_overview TO wattline_gateway, wattline_grafana;
GRANT SELECT ON upkeep_lease TO wattline_gateway;
