WITH moved AS (UPDATE meter_stay SET point_id = $2, told_at = NULL WHERE id = $1 RETURNING meter_id),
     registers AS (UPDATE meter_register SET point_id = $2 WHERE stay_id = $1)
UPDATE meter SET point_id = $2 FROM moved WHERE meter.id = moved.meter_id
