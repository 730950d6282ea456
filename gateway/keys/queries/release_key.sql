UPDATE meter_key SET device_id = $2 WHERE meter_id = $1
