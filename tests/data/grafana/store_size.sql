-- TEMPORARY: a simple version of what branch `store` makes, with the same names and columns. It goes when that is merged.

CREATE VIEW store_size AS
SELECT 'reading'::text AS table_name, 3::bigint AS chunks, 1::bigint AS compressed_chunks, 1024::bigint AS bytes,
       4096::bigint AS bytes_uncompressed
UNION ALL SELECT 'message', 2, 0, 2048, 2048;
GRANT SELECT ON store_size TO wattline_grafana;
