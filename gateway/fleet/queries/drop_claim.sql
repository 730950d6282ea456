DELETE FROM meter_claim WHERE meter_id = $1 AND device_id = $2
