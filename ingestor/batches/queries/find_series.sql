SELECT id, meter_id, obis, unit FROM series WHERE meter_id = ANY ($1::integer[])
