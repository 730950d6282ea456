-- Moves of meters that are, or were, nobody's; and since when each ingestor has all that the broker had for it.

ALTER TABLE meter_move ALTER COLUMN from_device_id DROP NOT NULL, ALTER COLUMN to_device_id DROP NOT NULL;
COMMENT ON COLUMN meter_move.from_device_id IS 'NULL where it had been nobody''s, and so anybody''s; to_device_id: where it is from then on.';

CREATE TABLE ingestor_link (
    ingestor     text PRIMARY KEY,
    caught_up_at timestamptz NOT NULL
);
COMMENT ON TABLE ingestor_link IS 'When each ingestor last had all that the broker had for it: what devices had sent by then is stored, or about to be.';
GRANT SELECT, INSERT, UPDATE ON ingestor_link TO wattline_ingestor;
GRANT SELECT ON ingestor_link TO wattline_gateway;
