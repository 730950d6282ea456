SELECT worker, open, first_id, last_id, until_id, deaths FROM mapping_turn WHERE source = $1
