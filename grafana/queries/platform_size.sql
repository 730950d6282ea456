SELECT sum(bytes)::double precision AS "Database", sum(chunks)::double precision AS "Chunks",
       (1 - sum(bytes_after_compression)::double precision / nullif(sum(bytes_before_compression), 0)) AS "Saved by compression"
FROM store_size
