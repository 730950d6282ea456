WITH opened AS (
    UPDATE meter_stay SET removed_at = NULL, closed_by = NULL, changed_at = now(), check_at = now() WHERE id = $1
    RETURNING meter_id, point_id, installed_at
), cleared AS (DELETE FROM meter_register WHERE stay_id = $1 AND kind = 'closing')
UPDATE meter SET removed_at = NULL, point_id = o.point_id, installed_at = o.installed_at FROM opened o WHERE meter.id = o.meter_id
