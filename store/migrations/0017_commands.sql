-- Commands to devices with what came of them, and reports of configurations that were reverted.

ALTER TABLE reported DROP CONSTRAINT reported_state_check;
ALTER TABLE reported ADD CONSTRAINT reported_state_check CHECK (state IN ('applied', 'refused', 'reverted'));
ALTER TABLE reported ADD COLUMN in_force bigint, ADD COLUMN probation boolean NOT NULL DEFAULT false;
COMMENT ON TABLE reported IS 'What each device last said it applied, refused or went back from; version is the one it spoke of.';
COMMENT ON COLUMN reported.in_force IS 'The version that effective and specs belong to; null from agents that do not tell it.';
COMMENT ON COLUMN reported.probation IS 'Applied, and still to prove itself by readings.';

-- A view of its own beside device_overview, for what is wrong: parameters themselves stay with the gateway.
CREATE VIEW config_state AS
SELECT d.name AS device, t.version AS desired_version, t.author AS desired_author, t.published_at AS desired_at,
       r.version AS reported_version, r.state AS reported_state, coalesce(r.in_force, r.version) AS in_force, r.probation,
       (SELECT string_agg(concat_ws(': ', x.reason ->> 'field', x.reason ->> 'reason'), '; ')
        FROM jsonb_array_elements(r.reasons) x(reason)) AS reasons,
       r.at AS reported_at, (r.state = 'applied' AND r.version = t.version) AS in_step
FROM desired t
JOIN device d ON d.id = t.device_id
LEFT JOIN reported r ON r.device_id = t.device_id;
COMMENT ON VIEW config_state IS 'How the configuration of each device stands: desired, reported, in force, on probation, and why it was refused or reverted.';

CREATE TABLE command (
    id           uuid PRIMARY KEY,
    batch        uuid NOT NULL,
    device_id    integer NOT NULL REFERENCES device (id),
    command      text NOT NULL,
    arguments    jsonb NOT NULL DEFAULT '{}',
    author       text NOT NULL,
    reason       text,
    gateway      text NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz NOT NULL,
    published_at timestamptz,
    state        text NOT NULL DEFAULT 'sent' CHECK (state IN ('sent', 'replied', 'failed', 'refused', 'expired')),
    reply        jsonb,
    replied_at   timestamptz
);
COMMENT ON TABLE command IS 'Every command to a device: who, when, what, and what came of it. The id is its correlation data.';
COMMENT ON COLUMN command.batch IS 'Shared by the commands of one request.';
COMMENT ON COLUMN command.gateway IS 'The client id of the gateway that took it; another one publishes it where that one died.';
COMMENT ON COLUMN command.published_at IS 'When the broker acknowledged it; null again when the device connects anew before it has replied.';
COMMENT ON COLUMN command.state IS 'A reply that comes after the end of its time still counts: then replied_at is above expires_at.';
CREATE INDEX command_device_id ON command (device_id, created_at DESC);
CREATE INDEX command_created_at ON command (created_at DESC, id);
CREATE INDEX command_batch ON command (batch);
CREATE INDEX command_in_flight ON command (expires_at) INCLUDE (device_id) WHERE state = 'sent';
CREATE INDEX command_open ON command (batch) WHERE state = 'sent';

CREATE VIEW command_log AS
SELECT c.created_at, d.name AS device, c.command, c.arguments, c.author, c.reason, c.state, c.expires_at, c.published_at,
       c.replied_at, extract(epoch FROM c.replied_at - c.created_at)::float8 AS answer_s, c.reply ->> 'error' AS error,
       c.reply -> 'result' AS result, c.id, c.batch
FROM command c
JOIN device d ON d.id = c.device_id;
COMMENT ON VIEW command_log IS 'Commands to devices with what came of them; answer_s is how long the answer took.';

GRANT SELECT, INSERT, UPDATE, DELETE ON command TO wattline_gateway;
GRANT SELECT ON command_log, config_state TO wattline_gateway, wattline_grafana;
