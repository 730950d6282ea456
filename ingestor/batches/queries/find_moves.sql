SELECT meter_id, from_device_id, at, from_at FROM meter_move WHERE meter_id = ANY ($1::integer[]) ORDER BY meter_id, id
