SELECT EXISTS (
    SELECT FROM software_history WHERE device_id = $1 AND version = $2 AND state = $3 AND at = $4)
