-- The bridge of foreign devices: it tells of sources that flood, and proposes sources of what it hears.

ALTER TABLE payload ADD COLUMN came_at timestamptz;
COMMENT ON COLUMN payload.came_at IS 'When it came, where it waited for the database: its readings without a time of their own are of then.';
GRANT INSERT (came_at) ON payload TO wattline_intake;

CREATE TABLE source_proposal (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    broker     text NOT NULL,
    key        text NOT NULL,
    origin     text NOT NULL CHECK (origin IN ('homeassistant', 'topics')),
    name       text NOT NULL,
    topics     text[] NOT NULL,
    document   text NOT NULL,
    detail     jsonb NOT NULL DEFAULT '{}',
    state      text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'accepted', 'refused')),
    source     text,
    decided_by text,
    decided_at timestamptz,
    first_at   timestamptz NOT NULL DEFAULT now(),
    last_at    timestamptz NOT NULL DEFAULT now(),
    UNIQUE (broker, key)
);
COMMENT ON TABLE source_proposal IS 'Sources that the bridge proposes of what foreign devices announce and publish; an engineer takes or refuses them.';
COMMENT ON COLUMN source_proposal.key IS 'What tells it from others at its broker: a device by its own identifier, a shipped mapping by its name.';
COMMENT ON COLUMN source_proposal.origin IS 'homeassistant: the device announced itself; topics: a shipped mapping reads what is published.';
COMMENT ON COLUMN source_proposal.name IS 'The name that the source would have.';
COMMENT ON COLUMN source_proposal.topics IS 'What the source would subscribe to; none for the topics of its mapping.';
COMMENT ON COLUMN source_proposal.document IS 'The mapping that it would have, as YAML.';
COMMENT ON COLUMN source_proposal.detail IS 'The device, its meters, and of what else it announces why that is no reading.';
COMMENT ON COLUMN source_proposal.source IS 'The source that was made of it.';

GRANT INSERT ON event TO wattline_intake;
GRANT SELECT, INSERT, UPDATE, DELETE ON source_proposal TO wattline_intake;
GRANT SELECT, UPDATE ON source_proposal TO wattline_gateway;
