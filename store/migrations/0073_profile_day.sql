-- Days of which a meter's memory was read: of all others nobody need look at readings to know that they came live.

CREATE TABLE profile_day (
    meter_id integer NOT NULL,
    day      date NOT NULL CHECK (day >= '2000-01-01' AND day < '2200-01-01'),
    PRIMARY KEY (meter_id, day)
);
COMMENT ON TABLE profile_day IS 'Days (UTC) that have a reading of a meter''s memory; midnight is of the day that ends and of the one that begins. No foreign key, so that writers lock no meter.';
CREATE INDEX ON profile_day (day);
GRANT SELECT, INSERT, DELETE ON profile_day TO wattline_ingestor;
GRANT SELECT ON profile_day TO wattline_gateway, wattline_grafana;

-- profile_day tells it by days
DROP VIEW IF EXISTS meter_remembers;
