-- The finer before those that are made of them.
SELECT view_name FROM timescaledb_information.continuous_aggregates ORDER BY materialization_hypertable_name
