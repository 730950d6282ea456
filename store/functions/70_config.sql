-- Configuration: how each device stands to what is wanted of it.

-- One place that says it, for lists, pages and dashboards.
CREATE OR REPLACE FUNCTION config_standing(
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
CREATE OR REPLACE FUNCTION silent_meters(devices integer[]) RETURNS TABLE (device_id integer, meters text[]) LANGUAGE sql STABLE AS $$
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

CREATE OR REPLACE VIEW parameter_state AS
SELECT d.name AS device, k.parameter, t.document #>> ARRAY['parameters', k.parameter] AS desired,
       r.effective ->> k.parameter AS reported, t.version AS desired_version, r.version AS reported_version,
       r.state AS reported_state, r.at AS reported_at
FROM device d
LEFT JOIN desired t ON t.device_id = d.id
LEFT JOIN reported r ON r.device_id = d.id
CROSS JOIN LATERAL (
    SELECT jsonb_object_keys(coalesce(t.document -> 'parameters', '{}')) AS parameter
    UNION
    SELECT jsonb_object_keys(coalesce(r.effective, '{}'))
) k;
COMMENT ON VIEW parameter_state IS 'Each parameter of each device as desired and as the device says it holds.';

CREATE OR REPLACE VIEW parameter_refusal AS
SELECT d.name AS device, r.version, r.at, x.reason ->> 'field' AS field, x.reason ->> 'reason' AS reason, r.state
FROM reported r
JOIN device d ON d.id = r.device_id
CROSS JOIN LATERAL jsonb_array_elements(r.reasons) AS x(reason)
WHERE r.state IN ('refused', 'reverted');
COMMENT ON VIEW parameter_refusal IS 'Why devices refused the desired version that they last saw, or went back from it.';

CREATE OR REPLACE VIEW parameter_change AS
SELECT h.published_at AS at, d.name AS device, h.version, h.author, coalesce(c.changes, '{}') AS changes
FROM desired_history h
JOIN device d ON d.id = h.device_id
LEFT JOIN LATERAL (
    SELECT p.document FROM desired_history p
    WHERE p.device_id = h.device_id AND p.version < h.version
    ORDER BY p.version DESC
    LIMIT 1
) before ON true
CROSS JOIN LATERAL (
    SELECT array_agg(concat(coalesce(n.key, o.key), ': ', coalesce(o.value, 'unset'), ' → ', coalesce(n.value, 'unset'))
                     ORDER BY coalesce(n.key, o.key)) AS changes
    FROM (
        SELECT key, value FROM jsonb_each_text(coalesce(h.document -> 'parameters', '{}'))
        UNION ALL
        SELECT 'spec of ' || key, value ->> 'spec' FROM jsonb_each(coalesce(h.document -> 'meters', '{}'))
    ) n
    FULL JOIN (
        SELECT key, value FROM jsonb_each_text(coalesce(before.document -> 'parameters', '{}'))
        UNION ALL
        SELECT 'spec of ' || key, value ->> 'spec' FROM jsonb_each(coalesce(before.document -> 'meters', '{}'))
    ) o ON o.key = n.key
    WHERE n.value IS DISTINCT FROM o.value AND before.document IS NOT NULL
) c;
COMMENT ON VIEW parameter_change IS 'Every desired version of every device, with its author and what it changed; the first one changes nothing.';

CREATE OR REPLACE VIEW parameter_unsupported_overview AS
SELECT d.name AS device, d.software, p.parameter, u.noted_at
FROM parameter_unsupported u
JOIN device d ON d.id = u.device_id
CROSS JOIN LATERAL unnest(u.parameters) AS p (parameter);
COMMENT ON VIEW parameter_unsupported_overview IS 'Parameters that are left out for a device, as its software does not know them.';

CREATE OR REPLACE VIEW stage_overview AS
SELECT s.id, s.scope, s.state, s.changes, s.step + 1 AS step, cardinality(s.steps) AS steps, s.steps[s.step + 1] AS share,
       coalesce(c.devices, 0) AS devices, coalesce(c.pending, 0) AS pending, coalesce(c.healthy, 0) AS healthy,
       coalesce(c.unchanged, 0) AS unchanged, coalesce(c.unreachable, 0) AS unreachable, coalesce(c.failed, 0) AS failed,
       s.max_failed, s.settle_s, s.timeout_s, s.why, s.author, s.reason, s.created_at, s.step_at, s.changed_at
FROM parameter_stage s
LEFT JOIN (
    SELECT stage_id, count(*) AS devices, count(*) FILTER (WHERE state IN ('pending', 'applied')) AS pending,
           count(*) FILTER (WHERE state = 'healthy') AS healthy, count(*) FILTER (WHERE state = 'unchanged') AS unchanged,
           count(*) FILTER (WHERE state = 'unreachable') AS unreachable, count(*) FILTER (WHERE state = 'failed') AS failed
    FROM parameter_stage_device
    GROUP BY stage_id
) c ON c.stage_id = s.id;
COMMENT ON VIEW stage_overview IS 'Staged changes of parameters: where each stands, and how its devices took it. `changes` are names, never values.';

CREATE OR REPLACE VIEW command_log AS
SELECT c.created_at, d.name AS device, c.command, c.arguments, c.author, c.reason, c.state, c.expires_at, c.published_at,
       c.replied_at, extract(epoch FROM c.replied_at - c.created_at)::float8 AS answer_s, c.reply ->> 'error' AS error,
       c.reply -> 'result' AS result, c.id, c.batch
FROM command c
JOIN device d ON d.id = c.device_id;
COMMENT ON VIEW command_log IS 'Commands to devices with what came of them; answer_s is how long the answer took.';

-- At the commit every gateway hears that something waits; notices of one transaction are one.
CREATE OR REPLACE FUNCTION tell_unannounced() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('wattline_desired', '');
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER unannounced_is_told AFTER INSERT OR UPDATE OF version, announced ON desired
    FOR EACH ROW WHEN (NEW.announced IS DISTINCT FROM NEW.version) EXECUTE FUNCTION tell_unannounced();

REVOKE EXECUTE ON FUNCTION silent_meters FROM PUBLIC;
GRANT EXECUTE ON FUNCTION silent_meters TO wattline_gateway;
