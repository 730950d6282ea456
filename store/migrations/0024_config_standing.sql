-- How a configuration stands with its device: whether readings have proved it, and what of it is held back.

ALTER TABLE reported ADD COLUMN watched text[], ADD COLUMN held_back text[] NOT NULL DEFAULT '{}';
COMMENT ON COLUMN reported.probation IS 'In force, and still to prove itself by readings.';
COMMENT ON COLUMN reported.watched IS
    'Meters of which the first good reading is waited for while on probation; null from agents that do not tell it.';
COMMENT ON COLUMN reported.held_back IS 'Fields of the reverted version that are as the last good one had them.';

-- One place that says it, for lists, pages and dashboards.
CREATE FUNCTION config_standing(
    desired_version bigint, reported_version bigint, reported_state text, probation boolean, watched text[]
) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE
        WHEN desired_version IS NULL THEN NULL
        WHEN reported_version IS NULL OR reported_version < desired_version THEN 'waiting'
        WHEN reported_state <> 'applied' THEN reported_state
        WHEN reported_version <> desired_version THEN 'waiting'
        WHEN probation AND cardinality(watched) = 0 THEN 'never_confirmed'
        WHEN probation THEN 'on_probation'
        ELSE 'confirmed' END
$$;
COMMENT ON FUNCTION config_standing IS
    'How a desired configuration stands: waiting, refused, reverted, on_probation, never_confirmed (nobody speaks that could prove it) or confirmed.';

-- A series is asked only until one with a reading is found: a meter that is well costs one look into the newest chunk.
CREATE FUNCTION silent_meters(devices integer[]) RETURNS TABLE (device_id integer, meters text[]) LANGUAGE sql STABLE AS $$
    SELECT m.device_id, array_agg(m.key ORDER BY m.key)
    FROM meter m
    JOIN meter_spec x ON x.meter_id = m.id AND x.spec IS NOT NULL
    LEFT JOIN meter_stated_cadence c ON c.meter_id = m.id
    LEFT JOIN reported t ON t.device_id = m.device_id
    CROSS JOIN LATERAL (
        SELECT now() - make_interval(secs => greatest(900, least(172800,
            3 * (coalesce(c.cadence_s, 0) + coalesce((t.effective ->> 'publish_interval_s')::double precision, 0))))) AS at
    ) since
    WHERE m.device_id = ANY(devices) AND m.removed_at IS NULL AND m.parent_id IS NULL AND m.installed_at < since.at
          AND (SELECT true FROM series s
               CROSS JOIN LATERAL (
                   SELECT true FROM reading r
                   WHERE r.series_id = s.id AND r.time > since.at AND r.time > now() - INTERVAL '2 days'
                   LIMIT 1
               ) newest
               WHERE s.meter_id = m.id
               LIMIT 1) IS NULL
    GROUP BY m.device_id
$$;
COMMENT ON FUNCTION silent_meters IS
    'Main meters in place, by device, that a spec reads and of which no reading has come for 15 minutes and three of their intervals.';
REVOKE EXECUTE ON FUNCTION silent_meters FROM PUBLIC;
GRANT EXECUTE ON FUNCTION silent_meters TO wattline_gateway;
GRANT SELECT ON meter_stated_cadence TO wattline_gateway;

CREATE OR REPLACE VIEW config_state AS
SELECT d.name AS device, t.version AS desired_version, t.author AS desired_author, t.published_at AS desired_at,
       r.version AS reported_version, r.state AS reported_state, coalesce(r.in_force, r.version) AS in_force, r.probation,
       (SELECT string_agg(concat_ws(': ', x.reason ->> 'field', x.reason ->> 'reason'), '; ')
        FROM jsonb_array_elements(r.reasons) x(reason)) AS reasons,
       r.at AS reported_at, (r.state = 'applied' AND r.version = t.version) AS in_step,
       config_standing(t.version, r.version, r.state, r.probation, r.watched) AS standing, r.watched, r.held_back
FROM desired t
JOIN device d ON d.id = t.device_id
LEFT JOIN reported r ON r.device_id = t.device_id;
COMMENT ON VIEW config_state IS
    'How the configuration of each device stands: desired, reported, in force, its standing, what is held back, and why it was refused or reverted.';

-- Live views show the end of a probation too.
DROP TRIGGER change_version ON reported;
CREATE TRIGGER change_version AFTER UPDATE ON reported
    FOR EACH ROW WHEN ((OLD.version, OLD.state, OLD.probation, OLD.watched, OLD.held_back)
                       IS DISTINCT FROM (NEW.version, NEW.state, NEW.probation, NEW.watched, NEW.held_back))
    EXECUTE FUNCTION note_change('reported', 'version', 'state', 'probation');
DROP TRIGGER change_new ON reported;
CREATE TRIGGER change_new AFTER INSERT ON reported
    FOR EACH ROW EXECUTE FUNCTION note_change('reported', 'version', 'state', 'probation');
