-- The meters that have a canary, since when, and whether their devices are there and have taken it, or undid it: then
-- the meter's spec is held back, and nothing else that could have kept it from being read.
SELECT x.meter_id, m.key, m.device_id, x.before, x.given_at,
       coalesce(d.online, true) AND r.version >= x.desired
           AND (r.state = 'applied' OR r.state = 'reverted' AND r.in_force = r.version AND NOT own.spec = ANY(r.held_back))
           AS reachable,
       coalesce(r.version >= x.desired AND r.state = 'reverted' AND own.spec = ANY(r.held_back)
                AND NOT r.held_back && ARRAY['parameters.obis_include', 'parameters.obis_exclude'], false) AS reverted
FROM spec_rollout_meter x
JOIN meter m ON m.id = x.meter_id
CROSS JOIN LATERAL (SELECT 'meters.' || m.key || '.spec' AS spec) own
JOIN device d ON d.id = m.device_id
LEFT JOIN reported r ON r.device_id = m.device_id
WHERE x.name = $1 AND x.version = $2 AND x.left_at IS NULL AND m.removed_at IS NULL
