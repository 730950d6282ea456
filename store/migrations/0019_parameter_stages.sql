-- Changes of parameters that go to a share of their scope first.

CREATE TABLE parameter_stage (
    id         integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    scope      text NOT NULL CHECK (scope ~ '^(fleet|group:[A-Za-z0-9][A-Za-z0-9._-]{0,63})$'),
    base       integer NOT NULL CHECK (base >= 0),
    document   jsonb NOT NULL,
    changes    text[] NOT NULL,
    steps      text[] NOT NULL CHECK (cardinality(steps) >= 1),
    step       integer NOT NULL DEFAULT 0 CHECK (step >= 0),
    settle_s   double precision NOT NULL,
    timeout_s  double precision NOT NULL,
    max_failed double precision NOT NULL CHECK (max_failed BETWEEN 0 AND 100),
    state      text NOT NULL CHECK (state IN ('running', 'paused', 'done', 'rolled_back', 'aborted')),
    why        text,
    author     text NOT NULL,
    reason     text,
    result     integer,
    created_at timestamptz NOT NULL DEFAULT now(),
    step_at    timestamptz NOT NULL DEFAULT now(),
    changed_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX parameter_stage_open ON parameter_stage (scope) WHERE state IN ('running', 'paused');
COMMENT ON TABLE parameter_stage IS 'Staged changes of a scope''s parameters; while one is open its devices have `document` in place of the scope''s layer.';
COMMENT ON COLUMN parameter_stage.base IS 'The scope''s version that the document was made from; 0 where it had none.';
COMMENT ON COLUMN parameter_stage.step IS 'The step in hand, from 0.';
COMMENT ON COLUMN parameter_stage.max_failed IS 'Percent of the devices that have the change: more failures than that roll it back.';
COMMENT ON COLUMN parameter_stage.result IS 'The scope''s version that the change became.';

CREATE TABLE parameter_stage_device (
    stage_id  integer NOT NULL REFERENCES parameter_stage (id),
    device_id integer NOT NULL REFERENCES device (id),
    step      integer NOT NULL,
    version   bigint,
    reads     boolean NOT NULL DEFAULT false,
    state     text NOT NULL DEFAULT 'pending'
              CHECK (state IN ('pending', 'applied', 'healthy', 'unchanged', 'unreachable', 'failed')),
    why       text,
    given_at  timestamptz NOT NULL DEFAULT now(),
    applied_at timestamptz,
    PRIMARY KEY (stage_id, device_id)
);
CREATE INDEX parameter_stage_device_id ON parameter_stage_device (device_id);
COMMENT ON TABLE parameter_stage_device IS 'Devices that a staged change was given to, and how they took it.';
COMMENT ON COLUMN parameter_stage_device.version IS 'The desired version that carried it; null where it changed nothing for the device.';
COMMENT ON COLUMN parameter_stage_device.reads IS 'Whether readings of it came before, so that their staying out counts against the change.';

CREATE VIEW stage_overview AS
SELECT s.id, s.scope, s.state, s.changes, s.step + 1 AS step, cardinality(s.steps) AS steps, s.steps[s.step + 1] AS share,
       coalesce(c.devices, 0) AS devices, coalesce(c.pending, 0) AS pending, coalesce(c.healthy, 0) AS healthy,
       coalesce(c.unchanged, 0) AS unchanged, coalesce(c.unreachable, 0) AS unreachable, coalesce(c.failed, 0) AS failed,
       s.max_failed, s.settle_s, s.timeout_s, s.why, s.author, s.reason, s.created_at, s.step_at, s.changed_at
FROM parameter_stage s
LEFT JOIN (
    SELECT stage_id, count(*) AS devices, count(*) FILTER (WHERE state IN ('pending', 'applied')) AS pending,
           count(*) FILTER (WHERE state = 'healthy') AS healthy, count(*) FILTER (WHERE state = 'unchanged') AS unchanged,
           count(*) FILTER (WHERE state = 'unreachable') AS unreachable, count(*) FILTER (WHERE state = 'failed') AS failed
    FROM parameter_stage_device
    GROUP BY stage_id
) c ON c.stage_id = s.id;
COMMENT ON VIEW stage_overview IS 'Staged changes of parameters: where each stands, and how its devices took it. `changes` are names, never values.';

GRANT SELECT, INSERT, UPDATE ON parameter_stage, parameter_stage_device TO wattline_gateway;
GRANT SELECT ON stage_overview TO wattline_gateway, wattline_grafana;
