SELECT m.key, h.read_at
FROM meter_heard(ARRAY(SELECT id FROM meter WHERE key = ANY ($1::text[]))) h
JOIN meter m ON m.id = h.meter_id
