SELECT meter_id AS id FROM meter_spec WHERE spec = $1 AND parent_id IS NULL ORDER BY meter_id
