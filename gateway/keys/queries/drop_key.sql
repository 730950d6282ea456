DELETE FROM meter_key WHERE meter_id = $1
