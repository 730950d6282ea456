SELECT m.device_id, m.key, x.before
FROM spec_rollout_meter x
JOIN spec_rollout r USING (name, version)
JOIN meter m ON m.id = x.meter_id
WHERE m.device_id = ANY($1::int[]) AND x.left_at IS NULL AND x.before IS NOT NULL AND r.state <> 'released'
