UPDATE mapping_turn SET open = false, deaths = 0 WHERE source = $1 AND open
