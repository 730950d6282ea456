-- $1 points, $2 meters' keys and $3 since when beside one another, $4 the boot that sees them there; never before the meter
-- left that one follows
WITH opened AS (
    INSERT INTO meter_stay (point_id, meter_id, installed_at, opened_by)
    SELECT w.point_id, m.id,
           greatest(w.since, (SELECT max(removed_at) FROM meter_stay WHERE point_id = w.point_id OR meter_id = m.id)), $4
    FROM unnest($1::integer[], $2::text[], $3::timestamptz[]) WITH ORDINALITY AS w (point_id, key, since, place)
    JOIN meter m ON m.key = w.key
    ORDER BY w.place
    RETURNING id, meter_id, point_id, installed_at
), noted AS (
    UPDATE meter SET point_id = o.point_id, installed_at = o.installed_at FROM opened o WHERE meter.id = o.meter_id
)
SELECT id FROM opened
