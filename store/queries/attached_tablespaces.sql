SELECT tablespace_name::text
FROM _timescaledb_catalog.tablespace t
JOIN _timescaledb_catalog.hypertable h ON h.id = t.hypertable_id
WHERE h.table_name = 'reading'
