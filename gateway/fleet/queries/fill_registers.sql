-- The first and last reading of each register of some stays; what somebody read stays as it is.
WITH stay AS (
    SELECT s.stay_id AS id, s.meter_id, s.point_id, s.removed_at,
           greatest(s.from_at, s.installed_at - interval '15 minutes') AS from_at, s.until_at
    FROM stay_span s
    WHERE s.stay_id = ANY($1::integer[])
), found AS (
    SELECT s.id, s.meter_id, s.point_id, k.kind, x.obis, x.unit, r.value, r.time
    FROM stay s
    JOIN series x ON x.meter_id = s.meter_id AND x.kind = 'register'
    CROSS JOIN (VALUES ('opening'), ('closing')) AS k (kind)
    CROSS JOIN LATERAL (
        (SELECT time, value FROM reading
         WHERE k.kind = 'opening' AND series_id = x.id AND time >= s.from_at AND time < s.until_at
         ORDER BY time LIMIT 1)
        UNION ALL
        (SELECT time, value FROM reading
         WHERE k.kind = 'closing' AND s.removed_at IS NOT NULL AND series_id = x.id AND time >= s.from_at
           AND time < s.until_at
         ORDER BY time DESC LIMIT 1)
    ) r
)
INSERT INTO meter_register AS g (stay_id, meter_id, point_id, kind, obis, unit, value, at)
SELECT id, meter_id, point_id, kind, obis, unit, value, time FROM found
ON CONFLICT (stay_id, kind, obis, unit) DO UPDATE
SET value = excluded.value, at = excluded.at, point_id = excluded.point_id
WHERE g.read_by IS NULL AND (g.value, g.at, g.point_id) IS DISTINCT FROM (excluded.value, excluded.at, excluded.point_id)
RETURNING g.point_id
