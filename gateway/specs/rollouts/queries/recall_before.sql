-- What the meters of a version that was for all had before it, from their devices' former configurations.
INSERT INTO spec_rollout_meter AS o (name, version, meter_id, before, desired)
SELECT $1, $2, x.meter_id, h.before, t.version
FROM meter_spec x
JOIN meter m ON m.id = x.meter_id
JOIN desired t ON t.device_id = x.device_id
CROSS JOIN LATERAL (
    SELECT f.document #>> ARRAY['meters', m.key, 'spec'] AS before
    FROM desired_history f
    WHERE f.device_id = x.device_id AND f.document #>> ARRAY['meters', m.key, 'spec'] <> $3
    ORDER BY f.version DESC
    LIMIT 1
) h
WHERE x.spec = $3 AND x.parent_id IS NULL
ON CONFLICT (name, version, meter_id) DO UPDATE SET before = excluded.before, left_at = NULL
