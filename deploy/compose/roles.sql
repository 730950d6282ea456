-- The passwords of the roles that `wattline migrate` makes, for psql, from its environment.
\getenv ingestor WATTLINE_INGESTOR_DB_PASSWORD
\getenv gateway WATTLINE_GATEWAY_DB_PASSWORD
\getenv grafana WATTLINE_GRAFANA_DB_PASSWORD
ALTER ROLE wattline_ingestor PASSWORD :'ingestor';
ALTER ROLE wattline_gateway PASSWORD :'gateway';
ALTER ROLE wattline_grafana PASSWORD :'grafana';
-- what was installed before it has none
\getenv intake WATTLINE_INTAKE_DB_PASSWORD
\if :{?intake}
ALTER ROLE wattline_intake PASSWORD :'intake';
\endif
-- who has no outlet gives it none
\getenv outlet WATTLINE_OUTLET_DB_PASSWORD
\if :{?outlet}
ALTER ROLE wattline_outlet PASSWORD :'outlet';
\endif
