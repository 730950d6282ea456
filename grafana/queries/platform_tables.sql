SELECT table_name AS "Table", chunks AS "Chunks", compressed_chunks AS "Compressed", bytes AS "Size",
       bytes_uncompressed AS "Uncompressed", (bytes_uncompressed::double precision / nullif(bytes, 0)) AS "Ratio"
FROM store_size
ORDER BY bytes DESC
