INSERT INTO reading (time, value, series_id, source)
SELECT time, value, series_id, source
FROM incoming_reading
ORDER BY time, series_id  -- the same order for everybody, so that two ingestors do not deadlock over the same keys
ON CONFLICT DO NOTHING
