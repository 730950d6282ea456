CREATE TEMPORARY TABLE IF NOT EXISTS incoming_reading (
    time timestamptz NOT NULL, value double precision NOT NULL, series_id integer NOT NULL, source smallint NOT NULL
) ON COMMIT DELETE ROWS;
CREATE TEMPORARY TABLE IF NOT EXISTS incoming_message (
    received_at timestamptz NOT NULL, newest_at timestamptz, seq bigint NOT NULL, device_id integer NOT NULL,
    meter_id integer, rows integer NOT NULL, kind smallint NOT NULL, boot text NOT NULL, spec text, resent integer
) ON COMMIT DELETE ROWS
