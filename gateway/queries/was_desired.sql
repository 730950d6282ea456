SELECT true FROM desired_history WHERE device_id = $1 AND version = $2 AND hash = $3
