-- The finer before those that are made of them: names end in numbers, of which 10 comes after 9.
SELECT view_name FROM timescaledb_information.continuous_aggregates
ORDER BY length(materialization_hypertable_name), materialization_hypertable_name
