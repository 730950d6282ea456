SELECT obis, unit, time AS at, value, source, clock FROM latest_reading WHERE meter_id = $1 ORDER BY obis, unit
