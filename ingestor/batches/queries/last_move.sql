SELECT coalesce(max(id), 0) AS id, extract(epoch FROM store_keep('readings'))::double precision AS keep_s FROM meter_move
