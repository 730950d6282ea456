-- A worker's reports choose meters by the groups of their devices.

GRANT SELECT ON parameter_group TO wattline_ingestor;
