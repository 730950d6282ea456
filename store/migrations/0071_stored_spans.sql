-- What others are given of readings, by whoever stored them: which series, from when until when, transaction by transaction.

CREATE TABLE outlet_cursor (
    name    text PRIMARY KEY CHECK (name ~ '^[a-z0-9][a-z0-9-]{0,47}$'),
    since   timestamptz NOT NULL,
    xid     xid8 NOT NULL DEFAULT '0',
    span_id bigint NOT NULL DEFAULT 0,
    seeded  boolean NOT NULL DEFAULT false,
    made_in xid8 NOT NULL DEFAULT pg_current_xact_id(),
    seen_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE outlet_cursor IS 'Outputs that want each reading, and how far each is: without one that was seen of late nobody notes spans.';
COMMENT ON COLUMN outlet_cursor.since IS 'Readings from then on are given; those of before this row are entered as spans once (seeded).';
COMMENT ON COLUMN outlet_cursor.xid IS 'The transaction, and span_id the span in it, up to which all is given.';
COMMENT ON COLUMN outlet_cursor.made_in IS 'Transactions that began before it may not have seen it: seeding waits for them.';
COMMENT ON COLUMN outlet_cursor.seen_at IS 'When the output last looked. One that was away for more than a week is seeded again, from then on.';

CREATE TABLE stored_span (
    xid      xid8 NOT NULL DEFAULT pg_current_xact_id(),
    id       bigint GENERATED ALWAYS AS IDENTITY,
    at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    from_at  timestamptz NOT NULL,
    until_at timestamptz NOT NULL CHECK (until_at >= from_at),
    series   integer[] NOT NULL,
    PRIMARY KEY (xid, id)
);
COMMENT ON TABLE stored_span IS 'Readings of these series between these times, both among them, were stored; kept until every output has given them.';
COMMENT ON COLUMN stored_span.xid IS 'By it spans are read in the order of commits: those below the oldest running transaction are all there.';

GRANT SELECT ON outlet_cursor TO wattline_ingestor;
GRANT INSERT (from_at, until_at, series) ON stored_span TO wattline_ingestor;
GRANT SELECT, INSERT, UPDATE ON outlet_cursor TO wattline_outlet;
GRANT SELECT, INSERT, DELETE, UPDATE (xid) ON stored_span TO wattline_outlet;
