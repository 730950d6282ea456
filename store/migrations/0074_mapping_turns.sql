-- Turns in hand: a payload that ends its worker is found, tried alone, and set aside. And what tells a reused key from a repeat.

CREATE TABLE mapping_turn (
    source   text PRIMARY KEY REFERENCES source (name),
    worker   uuid NOT NULL,
    open     boolean NOT NULL,
    first_id bigint NOT NULL,
    last_id  bigint NOT NULL,
    until_id bigint NOT NULL,
    deaths   integer NOT NULL
);
COMMENT ON TABLE mapping_turn IS 'The turn of a source that a worker has in hand, or had last; who maps a source holds an advisory lock of its name.';
COMMENT ON COLUMN mapping_turn.open IS 'Its worker has not ended it: found open by another one, the worker died in it.';
COMMENT ON COLUMN mapping_turn.first_id IS 'The first payload of the turn, last_id the last one.';
COMMENT ON COLUMN mapping_turn.until_id IS 'A worker died in a turn up to here: until then payloads are taken one by one.';
COMMENT ON COLUMN mapping_turn.deaths IS 'How many workers died over first_id, taken alone.';

ALTER TABLE payload ADD COLUMN digest bytea;
COMMENT ON COLUMN payload.digest IS 'The SHA-256 of the body, which tells another body under a key from a repeat when the body is gone; null of older rows.';

GRANT SELECT, INSERT, UPDATE ON mapping_turn TO wattline_ingestor;
GRANT SELECT (digest), INSERT (digest) ON payload TO wattline_intake;
