-- $1 meter keys beside $2 times; $3 the boot that no longer sees them. A clock that was set back closes at the opening.
WITH closed AS (
    UPDATE meter_stay s
    SET removed_at = greatest(s.installed_at, w.at), closed_by = $3, changed_at = now(), check_at = now()
    FROM unnest($1::text[], $2::timestamptz[]) AS w (key, at)
    JOIN meter m ON m.key = w.key
    WHERE s.meter_id = m.id AND s.removed_at IS NULL
    RETURNING s.id, s.meter_id, s.removed_at
), noted AS (
    UPDATE meter SET removed_at = c.removed_at FROM closed c WHERE meter.id = c.meter_id AND meter.removed_at IS NOT NULL
)
SELECT id FROM closed
