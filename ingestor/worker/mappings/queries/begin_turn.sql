INSERT INTO mapping_turn (source, worker, open, first_id, last_id, until_id, deaths)
VALUES ($1, $2, true, $3, $4, $5, $6)
ON CONFLICT (source) DO UPDATE
SET (worker, open, first_id, last_id, until_id, deaths) =
    (excluded.worker, true, excluded.first_id, excluded.last_id, excluded.until_id, excluded.deaths)
