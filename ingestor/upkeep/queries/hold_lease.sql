SELECT coalesce(upkeep_hold($1, $2), false)
