INSERT INTO reading (time, value, series_id, source)
SELECT time, value, series_id, source
FROM incoming_reading
-- the same order for everybody, so that two ingestors do not deadlock over the same keys; of two values, the first
ORDER BY time, series_id, ctid
ON CONFLICT DO NOTHING
