-- One statement, as each file is.
DO $$
BEGIN
    CREATE TABLE IF NOT EXISTS schema_migration (
        name       text PRIMARY KEY,
        sha256     text NOT NULL,
        applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
    );
    CREATE TABLE IF NOT EXISTS installation (
        name        text PRIMARY KEY,
        value       text NOT NULL,
        recorded_at timestamptz NOT NULL DEFAULT clock_timestamp()
    );
    COMMENT ON TABLE installation IS 'What migrate last found: timescaledb_edition (apache or timescale), versions.';
END
$$
