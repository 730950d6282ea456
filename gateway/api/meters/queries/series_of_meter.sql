SELECT obis, unit, kind FROM series WHERE meter_id = $1 ORDER BY obis, unit
