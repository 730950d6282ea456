-- What had been dealt with of a device as its message was kept, so that none is dealt with over a newer one; and ingestors that are gone.
ALTER TABLE gateway_waiting ADD COLUMN dealt_at timestamptz;
COMMENT ON COLUMN gateway_waiting.dealt_at IS 'The time of the registration or report of that device that was dealt with last as this one was kept, 1970 where none was; null from gateways of before.';
ALTER TABLE ingestor_link ADD COLUMN noted_at timestamptz NOT NULL DEFAULT clock_timestamp();
COMMENT ON COLUMN ingestor_link.noted_at IS 'When it last said so; of one that has been silent for an hour nothing is waited for.';
GRANT DELETE ON ingestor_link TO wattline_ingestor;
