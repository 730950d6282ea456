CREATE TEMPORARY TABLE IF NOT EXISTS incoming_message (
    received_at timestamptz NOT NULL, newest_at timestamptz, seq bigint NOT NULL, device_id integer NOT NULL,
    meter_id integer, rows integer NOT NULL, kind smallint NOT NULL, boot text NOT NULL, spec text, resent integer
) ON COMMIT DELETE ROWS
