-- The newest payloads of a source that has long sent none: by id alone all that others sent since would be read.

CREATE INDEX payload_source ON payload (source, id);
COMMENT ON INDEX payload_source IS 'Any state of a source''s payloads, newest first; payload_turn and payload_unmapped are small.';
