-- What each device used of a UTC day's quotas, and what of its messages was not taken because they were used up.
CREATE TABLE quota_day (
    day date NOT NULL,
    device_id integer REFERENCES device (id),
    quota text NOT NULL,
    used bigint NOT NULL DEFAULT 0,
    cut bigint NOT NULL DEFAULT 0,
    cut_bytes bigint NOT NULL DEFAULT 0,
    allowed bigint,
    cut_at timestamptz,
    told_at timestamptz,
    CONSTRAINT quota_day_key UNIQUE NULLS NOT DISTINCT (day, device_id, quota)
);
COMMENT ON TABLE quota_day IS 'Each device''s use of its quotas by UTC day; device_id is null for what was sent outside any device''s topics.';
COMMENT ON COLUMN quota_day.used IS 'Pieces or bytes taken; 0 for a share of the present (messages, bytes, control), of which only what is cut is counted.';
COMMENT ON COLUMN quota_day.cut IS 'Messages, meters or series that were not taken.';
COMMENT ON COLUMN quota_day.cut_bytes IS 'Bytes of the messages that were not taken; who kept them may send them again.';
COMMENT ON COLUMN quota_day.allowed IS 'What was allowed a day; null for a share of the present.';
COMMENT ON COLUMN quota_day.cut_at IS 'When something was cut last.';
COMMENT ON COLUMN quota_day.told_at IS 'When the event quota_exceeded was entered.';
CREATE INDEX quota_day_device ON quota_day (device_id, day);
GRANT SELECT, INSERT, UPDATE ON quota_day TO wattline_ingestor, wattline_gateway;
-- An ingestor that starts asks for how long nobody stored anything.
GRANT SELECT ON ingest_batch TO wattline_ingestor;
