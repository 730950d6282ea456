SELECT num_partitions::integer FROM timescaledb_information.dimensions
WHERE hypertable_name = 'reading' AND dimension_type = 'Space'
