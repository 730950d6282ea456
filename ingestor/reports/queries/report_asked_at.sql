SELECT created_at, store_zone() AS zone FROM job WHERE id = $1
