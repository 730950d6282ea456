-- Published specs never change; gateways hear of new ones; who has which.

CREATE OR REPLACE FUNCTION refuse_spec_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'spec %@% is published and can''t be changed; publish version %', OLD.name, OLD.version, OLD.version + 1
        USING ERRCODE = 'restrict_violation';
END
$$;

CREATE OR REPLACE FUNCTION tell_shelf_change() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
    UPDATE shelf_revision SET revision = revision + 1;
    PERFORM pg_notify('wattline_shelf', '');
    RETURN NULL;
END
$$;

-- The facts' names are FACTS of gateway/fleet/labels.py; a label can't have one of them.
CREATE OR REPLACE VIEW device_label_set AS
SELECT d.id AS device_id, d.name AS device, coalesce(l.version, 0) AS version, coalesce(l.labels, '{}') AS labels,
       jsonb_strip_nulls(jsonb_build_object(
           'device', d.name,
           'hardware', d.registration #>> '{hardware,model}',
           'machine', d.registration #>> '{hardware,machine}',
           'os', d.registration #>> '{hardware,os}',
           'software', d.registration #>> '{software,version}')) AS facts
FROM device d
LEFT JOIN device_labels l ON l.device_id = d.id;
COMMENT ON VIEW device_label_set IS 'Each device with its labels and with what its registration says, which selectors take as labels too.';

CREATE OR REPLACE VIEW device_label AS
SELECT s.device, e.key AS label, e.value, e.fact
FROM device_label_set s
CROSS JOIN LATERAL (
    SELECT key, value, false AS fact FROM jsonb_each_text(s.labels)
    UNION ALL
    SELECT key, value, true FROM jsonb_each_text(s.facts)
) e;
COMMENT ON VIEW device_label IS 'Labels and facts of devices, a row each.';

CREATE OR REPLACE VIEW rollout_overview AS
SELECT r.name || '@' || r.version AS spec, r.name, r.version, r.state, r.audience, r.author, r.reason, r.started_at, r.changed_at,
       coalesce(m.meters, 0) AS meters, coalesce(m.devices, 0) AS devices, m.first_given_at, m.last_given_at,
       r.figures ->> 'verdict' AS verdict,
       (r.figures #>> '{now,telegrams}')::bigint AS telegrams,
       (r.figures #>> '{now,undecodable_percent}')::float8 AS undecodable_percent,
       (r.figures #>> '{before,undecodable_percent}')::float8 AS undecodable_percent_before,
       (r.figures #>> '{rest,undecodable_percent}')::float8 AS undecodable_percent_rest,
       (r.figures #>> '{now,implausible_percent}')::float8 AS implausible_percent,
       (r.figures #>> '{now,silent_percent}')::float8 AS silent_percent,
       (r.figures #>> '{rest,silent_percent}')::float8 AS silent_percent_rest,
       r.judged_at
FROM spec_rollout r
LEFT JOIN (
    SELECT x.name, x.version, count(*) AS meters, count(DISTINCT t.device_id) AS devices, min(x.given_at) AS first_given_at,
           max(x.given_at) AS last_given_at
    FROM spec_rollout_meter x JOIN meter t ON t.id = x.meter_id
    WHERE x.left_at IS NULL
    GROUP BY x.name, x.version
) m USING (name, version);
COMMENT ON VIEW rollout_overview IS 'Spec versions for a part of the fleet: state, audience, meters, and how they fare against before and the rest.';

-- What is desired counts more than meter.spec, which keeps the last spec of a meter that has none now.
CREATE OR REPLACE VIEW meter_spec AS
SELECT m.id AS meter_id, m.device_id, m.parent_id,
       CASE WHEN t.document -> 'meters' ? coalesce(p.key, m.key)
            THEN t.document #>> ARRAY['meters', coalesce(p.key, m.key), 'spec']
            ELSE m.spec END AS spec
FROM meter m
LEFT JOIN meter p ON p.id = m.parent_id
LEFT JOIN desired t ON t.device_id = m.device_id
WHERE m.removed_at IS NULL;
COMMENT ON VIEW meter_spec IS 'The spec that each meter in place is read by, as name@version; null where it has none.';

CREATE OR REPLACE VIEW unknown_meter AS
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
