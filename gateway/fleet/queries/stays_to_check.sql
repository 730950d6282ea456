SELECT id FROM meter_stay WHERE check_at <= now() ORDER BY check_at LIMIT $1
