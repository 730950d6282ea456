-- $2 whether its payloads were given back as they were
UPDATE mapping_turn SET open = false, deaths = CASE WHEN $2 THEN deaths ELSE 0 END WHERE source = $1 AND open
