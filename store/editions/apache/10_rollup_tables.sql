-- Roll-ups as tables that the ingestor keeps up to date, because this edition has no continuous aggregates and a plain
-- view of a year would read every reading of it.

CREATE TABLE IF NOT EXISTS rolled_15m (
    bucket      timestamptz NOT NULL,
    first_at    timestamptz NOT NULL,
    last_at     timestamptz NOT NULL,
    first_value double precision NOT NULL,
    last_value  double precision NOT NULL,
    min_value   double precision NOT NULL,
    max_value   double precision NOT NULL,
    sum_value   double precision NOT NULL,
    readings    bigint NOT NULL,
    series_id   integer NOT NULL,
    decimals    integer NOT NULL
);
CREATE TABLE IF NOT EXISTS rolled_1h (LIKE rolled_15m);
CREATE TABLE IF NOT EXISTS rolled_1d (LIKE rolled_15m);
CREATE TABLE IF NOT EXISTS rolled_1mo (LIKE rolled_15m);
SELECT create_hypertable('rolled_15m', by_range('bucket', INTERVAL '7 days'), create_default_indexes => false, if_not_exists => true);
SELECT create_hypertable('rolled_1h', by_range('bucket', INTERVAL '28 days'), create_default_indexes => false, if_not_exists => true);
SELECT create_hypertable('rolled_1d', by_range('bucket', INTERVAL '364 days'), create_default_indexes => false, if_not_exists => true);
SELECT create_hypertable('rolled_1mo', by_range('bucket', INTERVAL '3640 days'), create_default_indexes => false, if_not_exists => true);
-- One series over a range of time; and, as rows come in the order of time, all series at one time for next to nothing.
CREATE UNIQUE INDEX IF NOT EXISTS rolled_15m_series_id_bucket ON rolled_15m (series_id, bucket);
CREATE UNIQUE INDEX IF NOT EXISTS rolled_1h_series_id_bucket ON rolled_1h (series_id, bucket);
CREATE UNIQUE INDEX IF NOT EXISTS rolled_1d_series_id_bucket ON rolled_1d (series_id, bucket);
CREATE UNIQUE INDEX IF NOT EXISTS rolled_1mo_series_id_bucket ON rolled_1mo (series_id, bucket);
CREATE INDEX IF NOT EXISTS rolled_15m_bucket ON rolled_15m USING brin (bucket) WITH (pages_per_range = 16);
CREATE INDEX IF NOT EXISTS rolled_1h_bucket ON rolled_1h USING brin (bucket) WITH (pages_per_range = 16);
CREATE INDEX IF NOT EXISTS rolled_1d_bucket ON rolled_1d USING brin (bucket) WITH (pages_per_range = 16);
COMMENT ON TABLE rolled_15m IS 'What view rollup_15m has before rollup_shown(step); the ingestor writes it.';
COMMENT ON TABLE rolled_1h IS 'As rolled_15m, of whole hours.';
COMMENT ON TABLE rolled_1d IS 'As rolled_15m, of whole days of store_zone().';
COMMENT ON TABLE rolled_1mo IS 'As rolled_15m, of whole months of store_zone().';

CREATE TABLE IF NOT EXISTS rollup_state (
    only_row    boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    noted_until timestamptz NOT NULL,
    shown_until timestamptz NOT NULL CHECK (shown_until <= noted_until)
);
INSERT INTO rollup_state (noted_until, shown_until) VALUES ('-infinity', '-infinity') ON CONFLICT DO NOTHING;
COMMENT ON COLUMN rollup_state.noted_until IS 'Readings that are stored before it are noted in rollup_late.';
COMMENT ON COLUMN rollup_state.shown_until IS 'Views take what lies before it from the tables rolled_*, and the rest from the readings.';

CREATE TABLE IF NOT EXISTS rollup_late (
    series_id integer NOT NULL,
    hour      timestamptz NOT NULL
);
COMMENT ON TABLE rollup_late IS 'Hours of series that got readings after they were rolled up, to be rolled up again.';

-- Immutable, though it moves on, so that the planner knows it and leaves out the chunks that it need not read. A plan with a
-- mark of before is as right: it takes less from the tables and more from the readings.
CREATE OR REPLACE FUNCTION rollup_shown(step text) RETURNS timestamptz LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT bucket_start(step, shown_until) FROM rollup_state
$$;
COMMENT ON FUNCTION rollup_shown IS 'Intervals of this step that start before it are in the table rolled_...';
GRANT SELECT ON rollup_state, rollup_late TO wattline_ingestor, wattline_gateway, wattline_grafana;

-- A trigger, so that no writer can forget: ingestor, re-decoding, or a person with psql.
CREATE OR REPLACE FUNCTION note_late_readings() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO rollup_late (series_id, hour)
    SELECT DISTINCT series_id, bucket_start('1h', time)
    FROM stored
    WHERE time < (SELECT noted_until FROM rollup_state);
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER reading_late AFTER INSERT ON reading
    REFERENCING NEW TABLE AS stored FOR EACH STATEMENT EXECUTE FUNCTION note_late_readings();
