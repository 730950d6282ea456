-- $1 point, $2 meter's key, $3 since when, $4 the boot that sees it there; never before the meter that it follows left
WITH opened AS (
    INSERT INTO meter_stay (point_id, meter_id, installed_at, opened_by)
    SELECT $1, m.id, greatest($3, (SELECT max(removed_at) FROM meter_stay WHERE point_id = $1 OR meter_id = m.id)), $4
    FROM meter m WHERE m.key = $2
    RETURNING id, meter_id, point_id, installed_at
), noted AS (
    UPDATE meter SET point_id = o.point_id, installed_at = o.installed_at FROM opened o WHERE meter.id = o.meter_id
)
SELECT id FROM opened
