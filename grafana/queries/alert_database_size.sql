SELECT sum(bytes)::double precision / 1073741824 AS value FROM store_size
