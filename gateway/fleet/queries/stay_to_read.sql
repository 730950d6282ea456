-- The newest stay of a meter at a point, a row for each of its registers, or one without.
SELECT s.id, s.installed_at, s.removed_at, now() AS now, x.id AS series_id, x.obis, x.unit
FROM (
    SELECT s.* FROM meter_stay s JOIN meter m ON m.id = s.meter_id
    WHERE s.point_id = $1 AND m.key = $2
    ORDER BY s.installed_at DESC, s.id DESC
    LIMIT 1
) s
LEFT JOIN series x ON x.meter_id = s.meter_id AND x.kind = 'register'
ORDER BY x.obis, x.id
