-- Groups of devices that parameters can be given to, and parameters that a device's software does not know.

CREATE TABLE parameter_group (
    name       text PRIMARY KEY CHECK (name ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$'),
    selector   text NOT NULL,
    priority   integer NOT NULL CHECK (priority BETWEEN 0 AND 1000000),
    version    integer NOT NULL DEFAULT 1,
    author     text NOT NULL,
    reason     text,
    changed_at timestamptz NOT NULL DEFAULT now(),
    -- a removed group keeps its name, so that a later one of that name does not begin with its parameters
    removed_at timestamptz
);
COMMENT ON TABLE parameter_group IS 'Groups by label selector; of groups that overlap the one with the higher priority wins, at a tie the later name.';

CREATE TABLE parameter_unsupported (
    device_id  integer PRIMARY KEY REFERENCES device (id),
    parameters text[] NOT NULL,
    noted_at   timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE parameter_unsupported IS 'Parameters that some layer sets for a device and that its software does not know: they are left out for it.';

CREATE VIEW parameter_unsupported_overview AS
SELECT d.name AS device, d.software, p.parameter, u.noted_at
FROM parameter_unsupported u
JOIN device d ON d.id = u.device_id
CROSS JOIN LATERAL unnest(u.parameters) AS p (parameter);
COMMENT ON VIEW parameter_unsupported_overview IS 'Parameters that are left out for a device, as its software does not know them.';

GRANT SELECT, INSERT, UPDATE ON parameter_group TO wattline_gateway;
GRANT SELECT, INSERT, UPDATE, DELETE ON parameter_unsupported TO wattline_gateway;
GRANT SELECT ON parameter_unsupported_overview TO wattline_gateway, wattline_grafana;
