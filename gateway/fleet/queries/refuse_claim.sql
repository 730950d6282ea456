UPDATE meter_claim SET refused_at = now(), refused_by = $3 WHERE meter_id = $1 AND device_id = $2
