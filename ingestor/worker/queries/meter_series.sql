-- NULL where there is no such meter; empty where nothing was read of it.
SELECT coalesce((SELECT array_agg(s.id ORDER BY s.id) FROM series s WHERE s.meter_id = m.id), '{}') AS series FROM meter m WHERE m.key = $1
