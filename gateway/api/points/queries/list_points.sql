SELECT point_id AS id, point AS name, device, port, channel, slot, meter, since, previous_meter, swapped_at
FROM point_overview
WHERE point > $1 AND ($2::text IS NULL OR device = $2)
ORDER BY point
LIMIT $3
