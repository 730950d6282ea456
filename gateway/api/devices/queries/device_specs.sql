SELECT DISTINCT spec FROM meter_spec x JOIN device d ON d.id = x.device_id WHERE d.name = $1 AND spec IS NOT NULL ORDER BY spec
