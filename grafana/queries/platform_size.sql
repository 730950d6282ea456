SELECT sum(bytes)::double precision AS "Database", sum(chunks)::double precision AS "Chunks",
       (1 - sum(bytes)::double precision / nullif(sum(bytes_uncompressed), 0)) AS "Saved by compression"
FROM store_size
