-- What Telegraf's output writes to: time, series and value, narrow as ours, with the same kind of unique index.
CREATE SCHEMA IF NOT EXISTS telegraf;
DROP TABLE IF EXISTS telegraf.reading;
CREATE TABLE telegraf.reading (time timestamptz NOT NULL, series text NOT NULL, value double precision);
SELECT create_hypertable('telegraf.reading', by_range('time', INTERVAL '1 day'), create_default_indexes => false);
CREATE UNIQUE INDEX reading_series_time ON telegraf.reading (series, time)
