CREATE TEMPORARY TABLE IF NOT EXISTS incoming_reading (
    time timestamptz NOT NULL, value double precision NOT NULL, series_id integer NOT NULL, source smallint NOT NULL
) ON COMMIT DELETE ROWS
