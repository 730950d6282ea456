SELECT EXISTS (SELECT FROM device_twin WHERE device_id = $1 AND seen_at > $2::timestamptz - interval '1 hour')
