INSERT INTO installation (name, value)
VALUES ('timescaledb_edition', current_setting('timescaledb.license')),
       ('timescaledb_version', (SELECT extversion FROM pg_extension WHERE extname = 'timescaledb')),
       ('postgresql_version', current_setting('server_version'))
ON CONFLICT (name) DO UPDATE SET value = excluded.value, recorded_at = clock_timestamp()
WHERE installation.value IS DISTINCT FROM excluded.value
