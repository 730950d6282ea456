SELECT name AS "Table", chunks AS "Chunks", compressed_chunks AS "Compressed", bytes AS "Size",
       bytes_before_compression AS "Before", bytes_after_compression AS "After",
       (bytes_before_compression::double precision / nullif(bytes_after_compression, 0)) AS "Ratio"
FROM store_size
ORDER BY bytes DESC
