-- What a gateway has acknowledged and not dealt with: the newest registration or report of a device that sends too many.

CREATE TABLE gateway_waiting (
    gateway text NOT NULL,
    topic   text NOT NULL,
    payload bytea NOT NULL,
    kept_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (gateway, topic)
);
COMMENT ON TABLE gateway_waiting IS 'Messages that wait their turn at a gateway, which reads its own at its start.';
GRANT SELECT, INSERT, UPDATE, DELETE ON gateway_waiting TO wattline_gateway;
