SELECT id FROM meter WHERE key = $1
