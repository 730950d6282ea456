-- What the gateways hear of logins at the broker, and the figures of theirs that boards and alerts show.
CREATE TABLE broker_login (
    at      timestamptz NOT NULL,
    name    text NOT NULL CHECK (length(name) <= 80),
    refused boolean NOT NULL,
    times   integer NOT NULL CHECK (times > 0),
    PRIMARY KEY (at, name, refused)
);
COMMENT ON TABLE broker_login IS 'Logins at the broker by minute: of all that were let in the sum (name empty), of those that were refused each, twenty names at most and the rest (*). People who were let in stand by hour. Kept for 30 days.';
COMMENT ON COLUMN broker_login.name IS 'The login; of one that was refused the client id that it claimed.';
COMMENT ON COLUMN broker_login.times IS 'As the gateway counted that heard most of it.';

CREATE TABLE gateway_gauge (
    gateway text NOT NULL,
    gauge   text NOT NULL,
    of      text NOT NULL DEFAULT '',
    value   double precision NOT NULL,
    at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (gateway, gauge, of)
);
COMMENT ON TABLE gateway_gauge IS 'Each gateway''s newest figures: metrics that a board or an alert shows, without their wattline_gateway_.';

GRANT SELECT, INSERT, UPDATE, DELETE ON broker_login, gateway_gauge TO wattline_gateway;
