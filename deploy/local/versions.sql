-- TimescaleDB's edition is told by its licensed module, which the Apache edition comes without: the setting
-- timescaledb.license exists only in a database that has the extension.
SELECT
    split_part(current_setting('server_version'), ' ', 1) AS postgresql,
    extension.default_version AS timescaledb,
    CASE
        WHEN pg_stat_file(config.setting || '/timescaledb-tsl-' || extension.default_version || '.so', true) IS NULL
            THEN 'apache'
        ELSE 'community'
    END AS timescaledb_edition
FROM pg_available_extensions AS extension, pg_config AS config
WHERE extension.name = 'timescaledb' AND config.name = 'PKGLIBDIR'
