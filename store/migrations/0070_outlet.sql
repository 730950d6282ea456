-- Who gives readings to others' systems may read what stands where and what it says, and nothing else.

GRANT USAGE ON SCHEMA public TO wattline_outlet;
GRANT SELECT ON schema_migration, installation, store_setting TO wattline_outlet;
GRANT SELECT (id, name, online, software, registration) ON device TO wattline_outlet;
GRANT SELECT ON meter, point, series, reading, reading_source TO wattline_outlet;
