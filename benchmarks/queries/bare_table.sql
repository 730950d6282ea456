-- A hypertable as reading is, with its unique index and nothing else: no trigger, no index by time.
DROP TABLE IF EXISTS bare_reading;
CREATE TABLE bare_reading (LIKE reading);
SELECT create_hypertable('bare_reading', by_range('time', INTERVAL '1 day'), create_default_indexes => false);
CREATE UNIQUE INDEX bare_reading_series_id_time ON bare_reading (series_id, time)
