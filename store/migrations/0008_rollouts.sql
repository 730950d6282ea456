-- Labels of devices; a spec version for a part of the fleet first; and what several gateways tell one another.

-- A table of its own: a row of device is written anew about twice a minute.
CREATE TABLE device_labels (
    device_id  integer PRIMARY KEY REFERENCES device (id),
    labels     jsonb NOT NULL,
    version    integer NOT NULL DEFAULT 1,
    author     text NOT NULL,
    reason     text,
    changed_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE device_labels IS 'Labels that people gave to devices; each change is an event, version is for ETags.';

-- The facts' names are FACTS of gateway/labels.py; a label can't have one of them.
CREATE VIEW device_label_set AS
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

CREATE VIEW device_label AS
SELECT s.device, e.key AS label, e.value, e.fact
FROM device_label_set s
CROSS JOIN LATERAL (
    SELECT key, value, false AS fact FROM jsonb_each_text(s.labels)
    UNION ALL
    SELECT key, value, true FROM jsonb_each_text(s.facts)
) e;
COMMENT ON VIEW device_label IS 'Labels and facts of devices, a row each.';

CREATE TABLE spec_rollout (
    name       text NOT NULL,
    version    integer NOT NULL,
    state      text NOT NULL CHECK (state IN ('canary', 'released', 'withdrawn')),
    audience   text NOT NULL DEFAULT '',
    limits     jsonb NOT NULL DEFAULT '{}',
    author     text NOT NULL,
    reason     text,
    started_at timestamptz NOT NULL DEFAULT now(),
    changed_at timestamptz NOT NULL DEFAULT now(),
    figures    jsonb NOT NULL DEFAULT '{}',
    judged_at  timestamptz,
    PRIMARY KEY (name, version),
    FOREIGN KEY (name, version) REFERENCES spec (name, version)
);
COMMENT ON TABLE spec_rollout IS 'Published specs that are or were for a part of the fleet, or were withdrawn; one without a row is for all.';
COMMENT ON COLUMN spec_rollout.started_at IS 'When it was last given to an audience after having none; what was before does not count against it.';
COMMENT ON COLUMN spec_rollout.limits IS 'Where it is judged otherwise than the gateway''s settings say.';

CREATE TABLE spec_rollout_step (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name     text NOT NULL,
    version  integer NOT NULL,
    state    text NOT NULL,
    audience text NOT NULL,
    author   text NOT NULL,
    reason   text,
    figures  jsonb NOT NULL DEFAULT '{}',
    at       timestamptz NOT NULL DEFAULT now(),
    FOREIGN KEY (name, version) REFERENCES spec_rollout (name, version)
);
CREATE INDEX spec_rollout_step_spec ON spec_rollout_step (name, version, id);
COMMENT ON TABLE spec_rollout_step IS 'What people and the system did with a rollout.';

CREATE TABLE spec_rollout_meter (
    name     text NOT NULL,
    version  integer NOT NULL,
    meter_id integer NOT NULL REFERENCES meter (id),
    before   text,
    desired  bigint NOT NULL,
    given_at timestamptz NOT NULL DEFAULT now(),
    left_at  timestamptz,
    PRIMARY KEY (name, version, meter_id),
    FOREIGN KEY (name, version) REFERENCES spec_rollout (name, version)
);
CREATE INDEX spec_rollout_meter_meter_id ON spec_rollout_meter (meter_id);
COMMENT ON TABLE spec_rollout_meter IS 'Meters that were given a version of a rollout: which spec they had before, by which desired version, from when to when.';

-- Several gateways keep the published specs in memory: the number tells them whether theirs are current, the notice that
-- they should look. It is sent at commit.
CREATE TABLE shelf_revision (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    revision bigint NOT NULL
);
INSERT INTO shelf_revision (revision) VALUES (1);
COMMENT ON TABLE shelf_revision IS 'Rises with each change of what is published, deprecated, rolled out or withdrawn.';

CREATE FUNCTION tell_shelf_change() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public AS $$
BEGIN
    UPDATE shelf_revision SET revision = revision + 1;
    PERFORM pg_notify('wattline_shelf', '');
    RETURN NULL;
END
$$;
CREATE TRIGGER spec_is_told AFTER INSERT ON spec FOR EACH STATEMENT EXECUTE FUNCTION tell_shelf_change();
CREATE TRIGGER spec_deprecation_is_told AFTER INSERT ON spec_deprecation
    FOR EACH STATEMENT EXECUTE FUNCTION tell_shelf_change();
CREATE TRIGGER spec_rollout_is_told AFTER INSERT OR UPDATE OF state, audience, limits ON spec_rollout
    FOR EACH STATEMENT EXECUTE FUNCTION tell_shelf_change();

-- What the broker was given: whoever commits a configuration may die before it is published, and another gateway does it.
ALTER TABLE desired ADD COLUMN announced bigint;
UPDATE desired SET announced = version;
COMMENT ON COLUMN desired.announced IS 'The version that the broker acknowledged; another than version waits to be published.';
CREATE INDEX desired_unannounced ON desired (published_at) WHERE announced IS DISTINCT FROM version;

CREATE VIEW rollout_overview AS
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

GRANT SELECT, INSERT, UPDATE ON device_labels, spec_rollout, spec_rollout_meter TO wattline_gateway;
GRANT SELECT, INSERT ON spec_rollout_step TO wattline_gateway;
GRANT SELECT ON shelf_revision, device_label_set, device_label, rollout_overview TO wattline_gateway;
GRANT SELECT ON device_label, rollout_overview TO wattline_grafana;
