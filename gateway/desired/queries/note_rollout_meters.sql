-- Meters that get a canary, and those that lose a version of a rollout; a meter that gets it again starts afresh.
WITH given AS (
    SELECT m.id AS meter_id, g.spec, g.desired, x.spec AS before
    FROM unnest($1::text[], $2::text[], $3::bigint[]) AS g (key, spec, desired)
    JOIN meter m ON m.key = g.key
    LEFT JOIN meter_spec x ON x.meter_id = m.id
    WHERE g.spec IS DISTINCT FROM x.spec
), gone AS (
    UPDATE spec_rollout_meter o SET left_at = now()
    FROM given g
    WHERE o.meter_id = g.meter_id AND o.left_at IS NULL AND o.name || '@' || o.version IS DISTINCT FROM g.spec
)
INSERT INTO spec_rollout_meter AS o (name, version, meter_id, before, desired)
SELECT r.name, r.version, g.meter_id, g.before, g.desired
FROM given g
JOIN spec_rollout r ON r.name || '@' || r.version = g.spec AND r.state = 'canary'
ON CONFLICT (name, version, meter_id) DO UPDATE
SET before = excluded.before, desired = excluded.desired, given_at = now(), left_at = NULL
